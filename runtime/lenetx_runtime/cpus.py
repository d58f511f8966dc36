"""Count the CPUs that this process may use, by affinity and cgroup; more threads wait or crash (onnxruntime#7207)."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

__all__ = ["Cpus", "available_cpus", "count_cpus", "cpu_quota"]

_TOPS = (("sys/fs/cgroup", "sys/fs/cgroup/unified"), ("sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct"))
"""Mount points of cgroups: version 2, alone or together with version 1; and version 1."""


class Cpus(NamedTuple):
    """The CPUs of a process.

    Attributes:
        machine: number of CPUs of the machine.
        affinity: number of CPUs that the process may run on.
        quota: CPU quota of its cgroup, in CPUs (for example 1.5); ``None`` if unlimited.
    """

    machine: int
    affinity: int
    quota: float | None

    @property
    def usable(self) -> int:
        """How many threads of one call can be busy; a fraction of a CPU counts as one."""
        return self.affinity if self.quota is None else min(self.affinity, math.ceil(self.quota))


def available_cpus() -> int:
    """Return how many CPUs this process may use, by its affinity and cgroup quota."""
    return count_cpus().usable


def count_cpus() -> Cpus:
    """Return the CPUs of this process, read again at each call: affinity and quota can change while it runs."""
    machine = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    return Cpus(machine, affinity, cpu_quota())


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return the smallest CPU quota above 0 of this process's cgroups and their parents, or ``None``."""
    quotas = [_quota(folder) for folder in _cgroups(root)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota(folder: Path) -> float | None:
    fields = " ".join(_lines(folder / "cpu.max")).split()  # version 2: "150000 100000", or "max 100000"
    if not fields:
        fields = [line for name in ("quota", "period") for line in _lines(folder / f"cpu.cfs_{name}_us")]
    try:
        quota, period = map(int, fields)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None  # version 1: -1 for none


def _cgroups(root: Path) -> Iterator[Path]:
    """Yield this process's cgroup folders and their parents; in a container the paths may be the host's."""
    for line in _lines(root / "proc/self/cgroup"):  # cgroups(7): "4:cpu,cpuacct:/path" or "0::/path"
        _, controllers, path = (line.split(":", 2) + [""] * 2)[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        for top in _TOPS[bool(controllers)]:
            place = PurePosixPath(path.lstrip("/"))
            yield from (root / top / each for each in (place, *place.parents) if ".." not in each.parts)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
