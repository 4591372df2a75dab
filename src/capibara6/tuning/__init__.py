"""Tuning: limits of memory and time that follow what a task's runs have used.

`levels` forecasts a peak, `margins` tells how likely it is exceeded, `recommender` decides what
that is worth; `tuner` knows every task's limits, and `execution` runs programs under them.
"""

from capibara6.tuning.execution import TunedExecutor
from capibara6.tuning.listener import UsageListener
from capibara6.tuning.tuner import Tuner

__all__ = ["TunedExecutor", "Tuner", "UsageListener"]
