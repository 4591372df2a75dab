"""`capibara6 verdict`: what a user says of an answer."""

from dataclasses import asdict

from capibara6.cli import exit_codes
from capibara6.cli.stored import stored
from capibara6.cli.terminal import environment_language, output, print_json, visible
from capibara6.config import load_settings
from capibara6.feedback import take_verdict
from capibara6.texts import say


async def judge(run_id: str, *, good: bool, as_json: bool) -> int:
    """Let the learners know; the exit status is 0 also where they knew already."""
    settings = load_settings()
    async with stored(settings) as store:
        learnt = await take_verdict(store, run_id, good=good)
    if as_json:
        print_json(asdict(learnt))
    else:
        key = "verdict_taken" if learnt.tier or learnt.bullets else "verdict_known"
        text = say(key, environment_language(), tier=learnt.tier or "-", bullets=learnt.bullets)
        output().print(visible(text), markup=False)
    return exit_codes.OK
