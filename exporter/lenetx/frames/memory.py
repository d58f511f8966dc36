"""Determine how much memory the frames of a data set may take."""

import os
from pathlib import Path

import torch

__all__ = ["default_limit"]

_SHARE = 4
_UNKNOWN = 4 * 2**30
"""Assumed memory in bytes if the system does not report it."""


def default_limit(device: torch.device, *, root: Path = Path("/")) -> int:
    """Return a quarter, in bytes, of the smallest memory limit of machine, control groups and device.

    Args:
        device: the device to hold the frames.
        root: root of the file system in which Linux describes the control groups.
    """
    known = [limit for limit in (_machine(), *_control_groups(root)) if limit]
    if device.type == "cuda":
        known.append(torch.cuda.get_device_properties(device).total_memory)
    return min(known, default=_UNKNOWN) // _SHARE


def _machine() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows and some other systems lack these names
        return None


def _control_groups(root: Path) -> list[int]:
    """Return the memory limits, in bytes, of this process's Linux control groups (v1 or v2) and of their parents."""
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
    """Return (controllers, group) for each line of ``/proc/self/cgroup`` that concerns memory."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    split = [line.split(":", 2) for line in lines]
    return [(each[1], each[2]) for each in split if len(each) == 3 and (not each[1] or "memory" in each[1].split(","))]
