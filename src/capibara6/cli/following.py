"""Follows a run on the terminal to its end, keeps what it left, and gives the exit status."""

from contextlib import aclosing, closing
from pathlib import Path

from capibara6.audience import Events
from capibara6.cli import exit_codes
from capibara6.cli.narration import Narrator
from capibara6.cli.run_folder import RECORD, save_run
from capibara6.cli.terminal import output, print_json
from capibara6.outcomes import Outcome
from capibara6.texts import say


async def follow(events: Events, home: Path, language: str, *, as_json: bool) -> int:
    """Show the run (or print its record as JSON) and save its folder under `home`."""
    console = output()
    narrator = Narrator(console, language)
    outcome = Outcome()
    with closing(narrator):
        async with aclosing(events):
            async for event in events:
                outcome.add(event)
                if not as_json:
                    narrator.show(event)
    finished = outcome.finished
    if finished is None:
        return exit_codes.FAULT
    folder = home / "runs" / finished.run_id
    record = outcome.as_json()
    saved = save_run(folder, outcome.artefacts, record)
    if as_json:
        files = [str(file) for file in saved]
        print_json({**record, "files": files, "record": str(folder / RECORD)})
        return exit_codes.of_run(finished.error_code)
    console.print()
    if saved:
        console.print(say("charts_saved", narrator.language), style="bold", soft_wrap=True)
        for file in saved:
            console.print(f"  {file}", markup=False, soft_wrap=True)
    text = say("record", narrator.language, folder=folder / RECORD, run_id=finished.run_id)
    console.print(text, style="dim", markup=False, soft_wrap=True)
    return exit_codes.of_run(finished.error_code)
