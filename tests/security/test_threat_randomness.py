"""T-RAND: forks of one process do not share their luck."""

import ast
from concurrent.futures import ThreadPoolExecutor

import pytest
from e2b_code_interpreter import Sandbox

from support.sandbox_server import SandboxServer

DRAWS = {
    "random": "import random; random.getrandbits(64)",
    "numpy": "import numpy; int(numpy.random.randint(0, 2**62))",
    "numpy generator": "import numpy; int(numpy.random.default_rng().integers(2**62))",
    "os.urandom": "import os; os.urandom(8).hex()",
    "uuid1": "import uuid; uuid.uuid1().hex",
    "uuid4": "import uuid; uuid.uuid4().hex",
    "secrets": "import secrets; secrets.token_hex(8)",
    "ssl": "import ssl; ssl.RAND_bytes(8).hex()",
    "tempfile": "import tempfile; next(tempfile._get_candidate_names())",
    "scipy": "import scipy.stats; float(scipy.stats.norm.rvs())",
    "sklearn": "import sklearn.utils; int(sklearn.utils.check_random_state(None).randint(2**31))",
}


@pytest.mark.threat("T-RAND-1")
def test_two_sandboxes_draw_different_numbers(sandbox_server: SandboxServer) -> None:
    define = """
import ast
def last(code):
    body = ast.parse(code).body
    names = {}
    exec(compile(ast.Module(body[:-1], []), "draw", "exec"), names)
    return eval(compile(ast.Expression(body[-1].value), "draw", "eval"), names)
"""
    code = define + f"print([last(draw) for draw in {list(DRAWS.values())!r}])"

    def draw(_: int) -> list[object]:
        sandbox = Sandbox.create(**sandbox_server.sdk)
        try:
            execution = sandbox.run_code(code)
            assert execution.error is None, execution.error
            return list(ast.literal_eval("".join(execution.logs.stdout)))
        finally:
            sandbox.kill()

    with ThreadPoolExecutor(3) as clients:
        drawn = list(clients.map(draw, range(3)))
    for name, values in zip(DRAWS, zip(*drawn, strict=True), strict=True):
        assert len(set(values)) == len(drawn), name


@pytest.mark.threat("T-RAND-1")
def test_contexts_of_one_sandbox_draw_different_numbers(sandbox: Sandbox) -> None:
    contexts = [sandbox.create_code_context() for _ in range(3)]
    for draw in DRAWS.values():
        drawn = {sandbox.run_code(draw, context=context).text for context in contexts}
        assert len(drawn) == len(contexts), draw
