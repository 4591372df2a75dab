"""The share of peaks beyond a margin, where all tasks' errors are known."""

import random
from statistics import NormalDist

from capibara6.tuning.levels import Forecast
from capibara6.tuning.margins import Errors

_SPREAD = 0.05
_NEW_TASK = Forecast(level=20.0, spread=_SPREAD, errors=())


def test_rare_errors_are_told_finely() -> None:
    """Limits are set where one run in hundreds needs more, so shares must be right there."""
    usual = NormalDist(0, _SPREAD)
    seen = [usual.inv_cdf((number + 0.5) / 2_000) for number in range(2_000)]
    random.Random(1).shuffle(seen)
    errors = Errors()
    for error in seen:
        errors.add(_NEW_TASK, error)
    beyond = {margin.excess: 1 - usual.cdf(margin.size) for margin in errors.margins(_NEW_TASK)}
    rare = {said: true for said, true in beyond.items() if 0.001 < true < 0.02}
    assert len(rare) >= 5
    for said, true in rare.items():
        assert 0.5 * true < said < 2 * true
