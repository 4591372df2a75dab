"""A model as an author of programs for a suite's tasks."""

import asyncio
import importlib
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from capibara6.codegen.functions import WORDS_VERSION, function_program, is_answered, messages
from capibara6.codegen.models import ModelWriter
from capibara6.codegen.tiers import ModelTier, is_loopback
from capibara6.domain.executions import ExecutionError, ExecutionResult
from capibara6.domain.playbook import Advice
from capibara6.domain.programs import Diagnosis, Failure, Program, Sampling
from capibara6.domain.requests import DataFile, Request, Route
from capibara6.errors import ModelReplyError
from capibara6.evaluation.models.measuring import PLAYBOOK, Wanted, Written
from capibara6.evaluation.models.suites import SuiteTask
from capibara6.language.detection import detect_language
from capibara6.search.signature import signature_of
from capibara6.store import ModelSample

TEMPERATURE: Final = 0.8  # of all candidates but the greedy one
_AT_ONCE: Final = 4  # at an endpoint that is not of this machine
_PROBLEM_CHARS_MAX: Final = 500
_CHARS_PER_TOKEN: Final = 4

Advise = Callable[[Request, Route], Awaitable[Sequence[Advice]]]
Profile = Callable[[str, bytes], DataFile]


class ModelAuthor:
    """Asks one tier's model.

    Args:
        tier: which model, and where.
        profile: reads the columns of a question's data.
        advise: the playbook's advice for a request; None: there is no playbook.
    """

    def __init__(self, tier: ModelTier, profile: Profile, advise: Advise | None = None) -> None:
        self._tier = tier
        self._profile = profile
        self._advise = advise

    @property
    def tier(self) -> str:
        """The tier's name."""
        return self._tier.name

    @property
    def model(self) -> str:
        """The model's name at its endpoint."""
        return self._tier.model

    @property
    def settings(self) -> Mapping[str, Any]:
        """What is asked, and how."""
        return {
            "words": WORDS_VERSION,
            "temperature": TEMPERATURE,
            "tokens_max": self._tier.tokens_max,
        }

    @property
    def at_once(self) -> int:
        """A model of this machine answers one question after the other."""
        return 1 if is_loopback(self._tier.base_url) else _AT_ONCE

    async def write(self, wanted: Wanted, failed: ModelSample | None) -> Written | None:
        """Ask for a program or a repair; an answer without a program is a sample too.

        Raises:
            ModelUnreachableError: nothing answers.
            ModelBusyError: it refused every attempt.
        """
        began = time.monotonic()
        request = self._request(wanted.task)
        language = _language(wanted.task.prompt)
        route = Route("code", "default", self.tier, language, 1.0)
        advice: Sequence[Advice] = ()
        if wanted.variant == PLAYBOOK:
            advice = await self._advise(request, route) if self._advise else ()
            if not advice:
                return None  # the prompt would be the plain one
        ask = self._asked_question if wanted.task.is_question else self._asked_function
        try:
            program = await ask(wanted, request, route, advice, failed)
            problem = ""
        except ModelReplyError as refusal:
            program = Program("", origin=f"model:{self.model}", tier=self.tier)
            problem = str(refusal)[:_PROBLEM_CHARS_MAX]
        write_s = time.monotonic() - began
        too_slow = bool(problem) and write_s >= self._tier.timeout_s
        return Written(program, write_s, problem, is_passing=too_slow)

    async def _asked_function(
        self,
        wanted: Wanted,
        _request: Request,
        route: Route,
        advice: Sequence[Advice],
        failed: ModelSample | None,
    ) -> Program:
        task, tier = wanted.task, self._tier
        before = (failed.code, failed.traceback or failed.error) if failed else None
        chat = messages(task.prompt, task.entry_point, route.language, advice, before)
        # A second of imports, in a thread so that other tasks go on meanwhile.
        module = await asyncio.to_thread(importlib.import_module, "capibara6.codegen.asking")
        is_free = not (tier.usd_per_million_tokens_in or tier.usd_per_million_tokens_out)
        reply = await module.ask(
            tier,
            chat,
            _sampling(wanted),
            lambda text: is_free and is_answered(task.entry_point, text),
        )
        code = function_program(task.prompt, task.entry_point, reply.text)
        if code is None:
            said = " ".join(reply.text.split())[:_PROBLEM_CHARS_MAX]
            raise ModelReplyError(self.model, f"the answer holds no program: {said!r}")
        sent = sum(len(message["content"]) for message in chat)
        prompt_tokens, completion_tokens = reply.prompt_tokens, reply.completion_tokens
        estimated = prompt_tokens is None or completion_tokens is None
        if prompt_tokens is None:
            prompt_tokens = sent // _CHARS_PER_TOKEN
        if completion_tokens is None:
            completion_tokens = len(reply.pieces)  # each holds a token at least
        return Program(
            code,
            origin=f"model:{self.model}",
            tier=self.tier,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            cost_usd=tier.cost_usd(prompt_tokens, completion_tokens),
            tokens_estimated=estimated,
        )

    async def _asked_question(
        self,
        wanted: Wanted,
        request: Request,
        route: Route,
        advice: Sequence[Advice],
        failed: ModelSample | None,
    ) -> Program:
        """As `capibara6 ask` asks."""
        writer = ModelWriter(self._tier)
        found: Program | None = None
        pieces = writer.write(request, route, _failure(failed), advice, _sampling(wanted))
        async for piece in pieces:
            if isinstance(piece, Program):
                found = piece
        if found is None or found.language != "python":
            raise ModelReplyError(self.model, "the answer holds no Python program")
        return found

    def _request(self, task: SuiteTask) -> Request:
        files = tuple(self._profile(name, content) for name, content in task.data.items())
        return Request(task.digest, task.prompt, files, tier=self.tier)


def _language(prompt: str) -> str:
    """The language of a prompt's words; `y` is none where it is a parameter."""
    asked = signature_of(prompt)
    for parameter in asked.parameters if asked else ():
        prompt = re.sub(rf"\b{re.escape(parameter.name)}\b", "", prompt)
    return detect_language(prompt)


def _sampling(wanted: Wanted) -> Sampling:
    """The same program each time that it is asked for, where the endpoint heeds a seed."""
    greedy = wanted.candidate == 0 or wanted.repair > 0
    return Sampling(0.0 if greedy else TEMPERATURE, wanted.candidate)


def _failure(failed: ModelSample | None) -> Failure | None:
    if failed is None:
        return None
    name, _, value = failed.error.partition(": ")
    result = ExecutionResult(success=False, error=ExecutionError(name, value, failed.traceback))
    return Failure(Program(failed.code), Diagnosis(failed.kind, failed.error, ""), result)
