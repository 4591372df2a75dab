"""What the agent can say of the sandbox as a whole."""

import os
import time
from typing import Any

from capibara6_guest.agent import Call

_MIB = 1024 * 1024


class SystemMeter:
    """Measures processor, memory and disk; the processor since the measurement before."""

    def __init__(self) -> None:
        self._busy, self._total = _processor_ticks()

    async def metrics(self, call: Call) -> dict[str, Any]:
        """system.metrics {} -> what /proc shows from inside, in envd's names and units."""
        del call
        memory = _memory_bytes()
        used = memory["MemTotal"] - memory["MemAvailable"]
        disk = os.statvfs("/")
        return {
            "ts": int(time.time()),
            "cpu_count": len(os.sched_getaffinity(0)),
            "cpu_used_pct": self._processor_percent(),
            "mem_total": memory["MemTotal"],
            "mem_used": used,
            "mem_cache": memory["Cached"],
            "mem_total_mib": memory["MemTotal"] // _MIB,
            "mem_used_mib": used // _MIB,
            "disk_total": disk.f_blocks * disk.f_frsize,
            "disk_used": (disk.f_blocks - disk.f_bavail) * disk.f_frsize,
        }

    def _processor_percent(self) -> float:
        busy, total = _processor_ticks()
        passed = total - self._total
        percent = 100 * (busy - self._busy) / passed if passed else 0.0
        self._busy, self._total = busy, total
        return round(percent, 2)


def _processor_ticks() -> tuple[int, int]:
    """Return the busy and all ticks since boot, of all processors together."""
    with open("/proc/stat", encoding="ascii") as status:
        ticks = [int(field) for field in status.readline().split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


def _memory_bytes() -> dict[str, int]:
    with open("/proc/meminfo", encoding="ascii") as status:
        fields = (line.split() for line in status)
        return {name.rstrip(":"): int(kib) * 1024 for name, kib, *_ in fields}
