"""Shows a run on the terminal as its events come: route, program, output, tables, answer.

Everything a program or a model wrote passes `visible` first: it must not steer the terminal.
"""

from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.status import Status
from rich.syntax import Syntax
from rich.table import Table

from capibara6.cli.terminal import visible
from capibara6.domain import events as ev
from capibara6.domain.executions import ExecutionResult, ResultItem, Usage
from capibara6.domain.programs import Program
from capibara6.texts import say

ROWS_MAX: Final = 20
COLUMNS_MAX: Final = 10
LINES_MAX: Final = 80  # of a program; the run's record holds all of it
_CELL_CHARACTERS_MAX: Final = 40
_SHOWN_CHARACTERS_MAX: Final = 100  # of what a candidate said
_MIB: Final = 1024 * 1024
_TABLE: Final = "e2b/data"
_CHARTS: Final = ("image/png", "image/svg+xml", "image/jpeg")
_INDENT: Final = (0, 0, 0, 2)


class Narrator:
    """Tells one run.

    Args:
        console: where.
        language: until the route says which language the question has.
    """

    def __init__(self, console: Console, language: str) -> None:
        self.language = language
        self._console = console
        self._mid_line = False
        self._waiting: Status | None = None  # a moving sign, on a terminal only

    def show(self, event: ev.Event) -> None:
        """Show one event; chunks of a program are not shown, only that it is being written."""
        if isinstance(event, ev.ProgramChunk):
            return
        self.close()
        self._tell(event)
        if isinstance(event, ev.Routed):
            self._wait(event.route.tier)
        elif isinstance(event, ev.RepairStarted):
            self._wait(event.next_tier)

    def _tell(self, event: ev.Event) -> None:
        match event:
            case ev.Routed() | ev.Recalled() | ev.CandidateTried() | ev.CandidateChosen():
                self._show_choice(event)
            case ev.ProgramWritten():
                self._show_program(event.attempt, event.program)
            case ev.Validated() if event.findings:
                self._show_findings(event)
            case ev.ExecutionStarted():
                self._show_start(event)
            case ev.Output():
                self._show_output(event.chunk.text, is_error=event.chunk.stream == "stderr")
            case ev.ResultShown():
                self._show_result(event.item)
            case ev.ExecutionFinished():
                self._show_end(event.result)
            case ev.RepairStarted() | ev.ExecutionRepeated():
                self._show_next(event)
            case ev.RunFinished():
                self._show_answer(event)

    def _show_choice(
        self, event: ev.Routed | ev.Recalled | ev.CandidateTried | ev.CandidateChosen
    ) -> None:
        if isinstance(event, ev.Routed):
            self._show_route(event)
        elif isinstance(event, ev.Recalled):
            self._show_advice(event)
        else:
            self._show_candidate(event)

    def _show_route(self, event: ev.Routed) -> None:
        route = event.route
        self.language = route.language
        fields = {"task": route.task, "tier": route.tier, "template": route.template}
        self._heading("route", confidence=route.confidence, **fields)
        for reason in route.reasons:
            self._line(f"  · {reason}", "dim")

    def _show_advice(self, event: ev.Recalled) -> None:
        self._heading("lessons")
        for advice in event.advice:
            first = advice.text.partition("\n")[0]
            self._line(f"  · {advice.bullet_id[:8]} {visible(first)}", "dim")

    def _show_candidate(self, event: ev.CandidateTried | ev.CandidateChosen) -> None:
        if isinstance(event, ev.CandidateTried):
            line = candidate_line(event, self.language)
            self._line(visible(line), None if event.success else "yellow")
        else:
            key = "candidate_kept" if event.kept else "candidate_repaired"
            fields = {"number": event.candidate, "count": event.count, "reason": event.reason}
            self._line(visible(say(key, self.language, **fields)), "bold")

    def _show_program(self, attempt: int, program: Program) -> None:
        self._heading("program", attempt=attempt, origin=program.origin)
        code = folded(visible(program.code).rstrip(), self.language)
        if self._console.is_terminal:
            shown = Syntax(code, program.language, background_color="default", word_wrap=True)
            self._console.print(Padding(shown, _INDENT))
        else:
            self._line("\n".join(f"  {line}".rstrip() for line in code.splitlines()))

    def _show_findings(self, event: ev.Validated) -> None:
        self._heading("findings")
        for finding in event.findings:
            text = say("finding", self.language, line=finding.line, message=finding.message)
            self._line(f"  {visible(text)}", "yellow")

    def _show_start(self, event: ev.ExecutionStarted) -> None:
        self._heading("output", sandbox_id=event.sandbox_id, template=event.template)
        if event.grant:
            self._line(f"  · {event.grant.reason}", "dim")

    def _show_next(self, event: ev.RepairStarted | ev.ExecutionRepeated) -> None:
        if isinstance(event, ev.RepairStarted):
            self._show_repair(event)
        else:
            self._end_line()
            self._heading("repeated", error=event.limit.error_name)

    def _show_output(self, text: str, *, is_error: bool) -> None:
        shown = visible(text)
        style = "yellow" if is_error else None
        self._console.print(shown, style=style, end="", markup=False, soft_wrap=True)
        self._mid_line = bool(shown) and not shown.endswith("\n")

    def _show_result(self, item: ResultItem) -> None:
        if isinstance(item.data.get(_TABLE), dict):
            self._end_line()
            self._console.print(table_of(item.data[_TABLE], self.language, self._console))
            return
        charts = [mime for mime in _CHARTS if mime in item.data]
        if charts:
            self._line(say("chart", self.language, mime=charts[0]), "dim")
        elif text := item.data.get("text/plain"):
            self._line(visible(str(text)))

    def _show_end(self, result: ExecutionResult) -> None:
        if result.error:
            self._line(visible(result.error.traceback or str(result.error.value)), "red")
        self._line(usage_text(result.usage, self.language), "dim")

    def _show_repair(self, event: ev.RepairStarted) -> None:
        why = event.diagnosis
        text = say(
            "repair",
            self.language,
            attempt=event.attempt,
            kind=why.kind,
            cause=why.cause,
            hint=why.hint,
            next_tier=event.next_tier,
        )
        self._line(visible(text), "yellow")

    def _show_answer(self, event: ev.RunFinished) -> None:
        self._heading("answer" if event.success else "error")
        text = event.answer if event.success else f"{event.error} [{event.error_code}]"
        self._line(visible(text), None if event.success else "red")

    def close(self) -> None:
        """Leave the terminal as it was, also when the run was interrupted."""
        if self._waiting:
            self._waiting.stop()
            self._waiting = None

    def _wait(self, tier: str) -> None:
        if self._console.is_terminal:
            self._waiting = self._console.status(say("writing", self.language, tier=tier))
            self._waiting.start()

    def _heading(self, key: str, **fields: object) -> None:
        self._line("")
        self._line(visible(say(key, self.language, **fields)), "bold cyan")

    def _line(self, text: str, style: str | None = None) -> None:
        self._end_line()
        self._console.print(text, style=style, markup=False, soft_wrap=True)

    def _end_line(self) -> None:
        if self._mid_line:
            self._console.print()
            self._mid_line = False


def candidate_line(event: ev.CandidateTried, language: str) -> str:
    """What one candidate did, in one line."""
    examples, place = "", "candidate_nowhere"
    if event.examples and event.sandbox_id:
        counts = {"held": event.examples_held, "examples": event.examples}
        examples = say("candidate_examples", language, **counts)
    if event.sandbox_id:
        place = "candidate_fork" if event.forked else "candidate_fresh"
    return say(
        "candidate",
        language,
        mark="✓" if event.success else "✗",
        number=event.candidate,
        what=" ".join(event.shown.split())[:_SHOWN_CHARACTERS_MAX],
        examples=examples,
        wall_s=event.wall_s,
        place=say(place, language),
    )


def folded(code: str, language: str) -> str:
    """A long program without its middle, which is seldom what one wants to read."""
    lines = code.splitlines()
    if len(lines) <= LINES_MAX:
        return code
    left_out = say("lines_left_out", language, count=len(lines) - LINES_MAX)
    return "\n".join([*lines[: LINES_MAX // 2], left_out, *lines[-LINES_MAX // 2 :]])


def table_of(data: dict[str, Any], language: str, console: Console) -> Table:
    """A DataFrame's first rows and columns; the caption says how many more there are."""
    columns = {str(name): values for name, values in data.items() if isinstance(values, list)}
    names = list(columns)[:COLUMNS_MAX]
    rows = max((len(values) for values in columns.values()), default=0)
    table = Table(title=say("table", language), title_justify="left")
    if not console.is_terminal:
        table.box = None
    for name in names:
        table.add_column(visible(name), overflow="fold")
    for index in range(min(rows, ROWS_MAX)):
        table.add_row(*(_cell(columns[name], index) for name in names))
    hidden_rows, hidden_columns = max(rows - ROWS_MAX, 0), len(columns) - len(names)
    if hidden_rows or hidden_columns:
        table.caption = say("more_rows", language, rows=hidden_rows, columns=hidden_columns)
    return table


def usage_text(usage: Usage, language: str) -> str:
    """What a run used, as far as the provider says."""
    cpu = memory = ""
    if usage.cpu_s is not None:
        cpu = say("usage_cpu", language, cpu_s=usage.cpu_s)
    if usage.memory_peak_bytes is not None:
        memory = say("usage_memory", language, memory_mib=usage.memory_peak_bytes / _MIB)
    return say("usage", language, wall_s=usage.wall_s, cpu=cpu, memory=memory)


def _cell(values: list[Any], index: int) -> str:
    text = visible(str(values[index])) if index < len(values) else ""
    return escape(text[:_CELL_CHARACTERS_MAX])
