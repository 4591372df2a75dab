"""Bad usage of the command line: the right exit status and a clear message, in-process."""

import json

import pytest
from typer.testing import CliRunner

from capibara6 import __version__
from capibara6.cli.commands import app


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in ("E2B_API_KEY", "OPENAI_API_KEY", "CAPIBARA6_CONFIG", "CAPIBARA6_API_KEYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CAPIBARA6_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, list(arguments), input="print(1)", catch_exceptions=False)

    return run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ask", "q", "--data", "missing.csv"], "there is no such file"),
        (["ask", "q", "--data", "."], "directory"),
        (["ask", "q", "--template", "nope"], "no template 'nope'"),
        (["ask", "q", "--timeout", "0"], "out of range"),
        (["ask", ""], "question is empty"),
        (["execute", "missing.py"], "there is no such file"),
        (["execute", "-", "--timeout", "604800"], "out of range"),
        (["execute", "-", "--language", "cobol"], "cobol"),
        (["executions", "nope"], "No run has the id 'nope'"),
        (["serve", "--host", "0.0.0.0"], "CAPIBARA6_API_KEYS"),
        (["serve", "--port", "99999"], "--port"),
        (["ask"], "Missing argument"),
        (["nonsense"], "No such command"),
    ],
)
def test_bad_usage_ends_with_status_2_and_says_why(run, tmp_path, arguments, said):
    done = run(*arguments)

    assert done.exit_code == 2
    assert said in done.stderr
    assert not (tmp_path / "home" / "runs").exists()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CAPIBARA6_PLATFORM__PORT": "many"}, "CAPIBARA6_PLATFORM__PORT"),
        ({"CAPIBARA6_PROVIDER": "moon"}, "CAPIBARA6_PROVIDER"),
        ({"CAPIBARA6_PROVIDER": "e2b"}, "E2B_API_KEY is not set"),
        ({"CAPIBARA6_DATABASE_URL": "oracle://x"}, "CAPIBARA6_DATABASE_URL"),
    ],
)
def test_a_wrong_setting_ends_with_status_2(run, environment, said):
    # The embedded server is configured by a key, so none is started here.
    done = run("execute", "-", CAPIBARA6_EMBEDDED__API_KEY="e2b_" + "0" * 40, **environment)

    assert done.exit_code == 2
    assert said in done.stderr + done.stdout


def test_a_provider_that_does_not_answer_ends_with_status_3(run):
    done = run(
        "execute",
        "-",
        CAPIBARA6_EMBEDDED__API_KEY="e2b_" + "0" * 40,
        CAPIBARA6_EMBEDDED__API_URL="http://127.0.0.1:9",
    )

    assert done.exit_code == 3
    assert "does not answer" in done.stdout


def test_errors_are_json_when_json_is_asked_for(run):
    done = run("ask", "q", "--data", "missing.csv", "--json")

    assert done.exit_code == 2
    assert json.loads(done.stdout)["error"]["code"] == "data_file"


def test_two_files_of_one_name_are_refused(run, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "t.csv").write_text("x\n1\n")

    done = run("ask", "q", "--data", "a/t.csv", "--data", "b/t.csv")

    assert (done.exit_code, "two files have this name" in done.stderr) == (2, True)


def test_help_names_every_command_and_the_exit_statuses(run):
    done = run("--help")

    for word in ("ask", "execute", "serve", "sandbox", "doctor", "test-connection", "executions"):
        assert word in done.stdout
    assert "130 interrupted" in done.stdout.replace("\n ", "")
    assert run("--version").stdout == f"capibara6 {__version__}\n"


def test_no_executions_yet(run):
    assert "No executions yet." in run("executions").stdout
    assert json.loads(run("executions", "--json").stdout) == {"items": [], "total": 0}
