"""The one IPython shell of a Python kernel, whose outcomes are E2B's events.

Runs inside the template's Python. Call `prepare_shell` once, `warm` before the zygote serves, and
`after_fork` first in each fork. It knows nothing of how events travel.
"""

import builtins
import contextlib
import getpass
import importlib.util
import io
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from IPython.core.autocall import ExitAutocall
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.core.profiledir import ProfileDir
from IPython.display import display
from traitlets import Type
from traitlets.config import Config

from capibara6_guest.python_fork import after_fork, warm
from capibara6_guest.python_formatters import (
    ChartFormatter,
    DataFormatter,
    PlainJSONFormatter,
    result_event,
)
from capibara6_guest.python_imports import prepare_imports

__all__ = ["SandboxShell", "after_fork", "prepare_shell", "warm"]

Publish = Callable[[dict[str, Any]], None]


def prepare_shell(publish: Publish) -> InteractiveShell:
    """Create the process's shell; `shell.run_cell(code, store_history=True)` publishes events.

    They are any number of {"type": "result", <field>..., "extra", "is_main_result"} and at most one
    {"type": "error", "name", "value", "traceback"}. Output goes to sys.stdout and sys.stderr, which
    are flushed before each event. The shell uses no thread, no file and no database; cells with
    top-level `await` run on `shell.loop_runner(coroutine)`, IPython's own unless it is replaced.

    Args:
        publish: takes one event, as plain JSON data; called in the thread that displays.
    """
    shell = SandboxShell.instance(config=_config())
    shell.publish = publish
    formatters = shell.display_formatter.formatters
    formatters["e2b/data"] = DataFormatter(parent=shell.display_formatter)
    formatters["e2b/chart"] = ChartFormatter(parent=shell.display_formatter)
    formatters["application/json"] = PlainJSONFormatter(parent=shell.display_formatter)
    shell.register_magic_function(_pip, "line", "pip")
    builtins.input = _refuse_input
    getpass.getpass = _refuse_input
    if "" not in sys.path:
        sys.path.insert(0, "")
    warnings.filterwarnings("ignore", message="To exit: use 'exit'")
    prepare_imports(display)
    return shell


def _config() -> Config:
    config = Config()
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.display_page = True
    config.PlainTextFormatter.max_seq_length = 0
    config.HistoryManager.enabled = False
    return config


class _Hook(DisplayHook):  # type: ignore[misc]
    """The value of a cell's last expression becomes its main result."""

    def write_output_prompt(self) -> None:
        """Nothing: the count is an event of its own."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        del md_dict
        self.shell.emit(result_event(format_dict, is_main_result=True))

    def log_output(self, format_dict: Any) -> None:
        """Keep the text only: bundles hold whole images, and would never be let go."""
        text = format_dict.get("text/plain")
        if text is not None:
            self.shell.history_manager.output_hist_reprs[self.prompt_count] = text

    def finish_displayhook(self) -> None:
        self._is_active = False


class _Publisher(DisplayPublisher):  # type: ignore[misc]
    """What is displayed along the way becomes a further result."""

    def publish(
        self,
        data: Any,
        metadata: Any = None,
        source: Any = None,
        *,
        transient: Any = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        """As E2B: an update of an earlier display yields no result."""
        del metadata, source, transient
        if not update:
            self.shell.emit(result_event(data, is_main_result=False))

    def clear_output(self, wait: bool = False) -> None:
        """Nothing: what has been sent stays sent."""


class _Exit(ExitAutocall):  # type: ignore[misc]
    """`exit` and `quit` end the cell, visibly, and leave the kernel and its state alive."""

    def __call__(self, code: object = None) -> NoReturn:
        raise SystemExit if code is None else SystemExit(code)


class SandboxShell(InteractiveShell):  # type: ignore[misc]
    """IPython's shell without terminal, files and threads."""

    displayhook_class = Type(_Hook)
    display_pub_class = Type(_Publisher)

    publish: Publish
    _errored = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(exiter=_Exit(), **kwargs)

    def init_profile_dir(self, profile_dir: Any) -> None:
        """Name the user's profile without creating it, and keep its small store in memory."""
        del profile_dir
        self.profile_dir = ProfileDir()
        self.db: dict[str, Any] = {}

    def init_ipython_dir(self, ipython_dir: Any) -> None:
        """Nothing: no directory of the user's is read or made."""

    def init_virtualenv(self) -> None:
        """Nothing: the template's Python is the environment."""

    def enable_gui(self, gui: Any = None) -> None:
        """Accept `%matplotlib inline`; there is no screen for anything else."""
        if gui is not None:
            raise UsageError(f"there is no screen for {gui!r} here; use %matplotlib inline")

    def system(self, cmd: str) -> None:
        """Run `!cmd` on the kernel's own stdout and stderr, without the pseudo-terminal."""
        self._flush()
        self.system_raw(cmd)

    async def run_cell_async(self, raw_cell: str, *args: Any, **kwargs: Any) -> ExecutionResult:
        """Run one cell (`run_cell` comes through here too) and publish all that happens."""
        self._errored = False
        result = await super().run_cell_async(raw_cell, *args, **kwargs)
        failure = result.error_before_exec or result.error_in_exec
        if failure is not None:
            self._emit_error(type(failure), failure, _plain_traceback(failure))
        return result

    def emit(self, event: dict[str, Any]) -> None:
        """Publish one event after all earlier output."""
        self._flush()
        self.publish(event)

    def _flush(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            # The user may have closed or replaced them.
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()

    def _format_exception_for_storage(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Nothing: IPython formats each traceback a second time, for exported notebooks."""
        return {}

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None:
        self._emit_error(etype, evalue, "".join(stb))

    def _emit_error(self, etype: type[BaseException], evalue: Any, text: str) -> None:
        """As E2B: a cell has one error, its first."""
        if self._errored:
            return
        self._errored = True
        self.emit(
            {"type": "error", "name": etype.__name__, "value": _text(evalue), "traceback": text}
        )


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as failure:  # noqa: BLE001 - the user's own __str__
        return f"<its __str__ failed: {type(failure).__name__}>"


def _plain_traceback(failure: BaseException) -> str:
    """For what IPython shows without a traceback of its own (usage errors, exception groups)."""
    if isinstance(failure, UsageError):
        return ""
    buffer = io.StringIO()
    traceback.print_exception(failure, file=buffer)
    return buffer.getvalue()


def _refuse_input(*_: object, **__: object) -> NoReturn:
    raise StdinNotImplementedError(
        "code here cannot ask for input: there is nobody at the keyboard. Put the value in the code"
    )


def _pip(line: str) -> None:
    """Run pip, where the template has it, in the kernel's own environment."""
    if importlib.util.find_spec("pip") is None:
        raise UsageError("this template has no pip; use a template with it, or add the package")
    shell = SandboxShell.instance()
    shell.system(f"{sys.executable} -m pip {line}")
