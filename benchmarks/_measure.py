"""Provide the benchmarks' tools: run alternately, time processes, print tables with the machine and the date."""

import datetime
import importlib.util
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeVar

__all__ = [
    "Run",
    "alternate",
    "heading",
    "machine",
    "python",
    "run_installed",
    "run_process",
    "spread",
    "table",
    "verdict",
]

T = TypeVar("T")

_PACKAGES = ("numpy", "onnxruntime", "pillow", "torch")


@dataclass(frozen=True, slots=True)
class Run:
    """One finished process: wall and CPU seconds, peak resident memory in MiB, its stdout and its exit code."""

    wall: float
    cpu: float
    peak_mib: float
    output: str
    code: int


def alternate(functions: Mapping[str, Callable[[], T]], rounds: int, *, warm_up: int = 1) -> dict[str, list[T]]:
    """Call A B A B …, so that a slow phase of the machine affects all of them; discard the warm-up."""
    results: dict[str, list[T]] = {name: [] for name in functions}
    for number in range(warm_up + rounds):
        for name, function in functions.items():
            result = function()
            if number >= warm_up:
                results[name].append(result)
    return results


def python(*arguments: str | Path) -> list[str]:
    """Return the command line of a new Python process in this environment."""
    return [sys.executable, *map(str, arguments)]


def run_process(
    command: Sequence[str], *, folder: Path | None = None, path: Sequence[Path] = (), may_fail: bool = False
) -> Run:
    """Run a command, wait for it, and end the benchmark if it fails.

    The child may write bytecode, as with an installed package. Linux includes the memory of the forking process in its
    child's ``ru_maxrss``, so a benchmark that reports peak memory must not import numpy or torch itself.

    Args:
        command: the command line.
        folder: its working directory.
        path: the child's PYTHONPATH.
        may_fail: return any exit code instead of ending the benchmark.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if path:
        environment["PYTHONPATH"] = os.pathsep.join(map(str, path))
    began = time.perf_counter()
    child = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.stdout.close()
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode and not may_fail:
        raise SystemExit(f"{' '.join(command)} ended with exit code {child.returncode}.")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output, child.returncode)


def run_installed(*arguments: str | Path) -> Run:
    """Run Python as if ``lenetx_runtime`` were installed from a wheel.

    An editable install makes every Python process import a finder, pathlib and more. Users do not pay that cost, and
    the modules would already be loaded when the measured code imports them.
    """
    spec = importlib.util.find_spec("lenetx_runtime")
    path = Path(spec.origin).parents[1], *(Path(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
    return run_process(python("-S", *arguments), path=path)


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return the values as 'median (smallest–largest)'."""
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low}–{high})"


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


def heading(title: str) -> None:
    """Print the title, the date and the machine."""
    print(f"## {title}\n\n{datetime.datetime.now().astimezone():%Y-%m-%d %H:%M}, {machine()}.\n", flush=True)


def machine() -> str:
    """Return the CPU model, usable cores, Python version and package versions as text."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {version}" for name in _PACKAGES if (version := _version(name)))
    return f"{_cpu()}, {cores} cores, {platform.system()}, Python {platform.python_version()}, {versions}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table with aligned columns."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    for line in lines:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
    print(flush=True)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
