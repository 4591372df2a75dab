"""From a question to its answer with the small model, and where the time goes.

    python bench/small_model.py [--runs N]

Needs `make local-models`. Prints medians in milliseconds, and asserts nothing.
"""

import argparse
import asyncio
import statistics
import time

from capibara6.config import load_settings
from capibara6.domain import events as ev
from capibara6.intake import question_request
from capibara6.local_models.engine import python_of_engine
from capibara6.local_models.registry import Registry
from capibara6.main import open_platform, profile

QUESTION = "Write a program that sorts the list [31, 41, 59, 26, 53] and prints it"
# The step that ends with each event.
STEPS = {
    ev.RunStarted: "record",
    ev.Routed: "route",
    ev.Recalled: "recall",
    ev.ProgramWritten: "generate",
    ev.Validated: "validate",
    ev.ExecutionStarted: "sandbox",
    ev.ExecutionFinished: "sandbox",
    ev.RepairStarted: "repair",
    ev.RunFinished: "record",
}


async def measure(runs: int) -> None:
    settings = load_settings()
    registry = Registry(settings.home)
    models = [model for model in registry.all() if model.name == "smollm2"]
    if not models or python_of_engine(registry.engine_folder) is None:
        print("question to answer, small model: not measured (make local-models)")
        return
    samples: dict[str, list[float]] = {}
    async with open_platform(settings) as platform:
        for run in range(runs + 1):
            found = await one(platform.pipeline, settings, models[0].tier)
            for step, spent in found.items() if run else ():  # the first loads the model
                samples.setdefault(step, []).append(spent)
    print(f"question to answer, small model, {runs} runs, medians in ms:")
    for step, values in samples.items():
        print(f"  {step:12}{statistics.median(values):10.1f}")


async def one(pipeline, settings, tier: str) -> dict[str, float]:
    request = question_request(QUESTION, {}, settings, profile, tier=tier)
    spent: dict[str, float] = {}
    began = last = time.perf_counter()
    async for event in pipeline.run(request):
        step = STEPS.get(type(event))
        now = time.perf_counter()
        if step:
            spent[step] = spent.get(step, 0.0) + (now - last) * 1000
            last = now
    spent["all"] = (time.perf_counter() - began) * 1000
    return spent


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=5)
    asyncio.run(measure(parser.parse_args().runs))
