"""How much memory there is for the frames of a data set."""

import os
from pathlib import Path

import torch

__all__ = ["default_limit"]

_SHARE = 4
_UNKNOWN = 4 * 2**30
"""Bytes where the system does not say."""


def default_limit(device: torch.device, *, root: Path = Path("/")) -> int:
    """Return a quarter, in bytes, of the memory of the machine, its control group and the device: of the least of them.

    Args:
        device: where the frames would lie.
        root: of the file system in which Linux tells of control groups.
    """
    known = [limit for limit in (_machine(), *_control_groups(root)) if limit]
    if device.type == "cuda":
        known.append(torch.cuda.get_device_properties(device).total_memory)
    return min(known, default=_UNKNOWN) // _SHARE


def _machine() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not on Windows, not on every system
        return None


def _control_groups(root: Path) -> list[int]:
    """Return the limits of this process's group and those above it, in version 1 or 2 of Linux's control groups."""
    found = []
    for controllers, group in _groups(root):
        mounted, file = (
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes") if controllers else ("sys/fs/cgroup", "memory.max")
        )
        place = root / mounted / group.lstrip("/")
        for folder in (place, *place.parents):
            if folder == root / "sys/fs":
                break
            try:
                found.append(int((folder / file).read_text("ascii")))
            except (OSError, ValueError):  # no such group in this container, or "max"
                continue
    return found


def _groups(root: Path) -> list[tuple[str, str]]:
    """Return (controllers, group) of the lines of ``/proc/self/cgroup`` that are about memory."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    split = [line.split(":", 2) for line in lines]
    return [(each[1], each[2]) for each in split if len(each) == 3 and (not each[1] or "memory" in each[1].split(","))]
