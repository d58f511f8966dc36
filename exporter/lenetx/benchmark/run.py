"""Time artifacts on every engine of this machine: the library's API for benchmarks."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lenetx_runtime import LenetxError
from lenetx_runtime.cpus import available_cpus
from lenetx_runtime.device import MOST_THREADS
from lenetx_runtime.files import require_file

from ..data import DataOptions
from ..errors import InputError
from ..execution.host import standard_settings
from ..proof import Reference, environment
from ..publishing.against import load_against
from ..publishing.locate import artifacts_of, checkpoint_beside, newest_checkpoint
from ..publishing.reference import reference
from ..weights import checkpoint_file
from ..weights.options import WeightsOptions
from .assemble import assemble
from .configuration import Configuration
from .plan import of_artifact, of_checkpoint, unusable
from .result import BenchResult
from .rounds import FULL, QUICK, Pace, Progress, take_turns

__all__ = ["BATCHES", "QUICK_BATCHES", "bench"]

BATCHES, QUICK_BATCHES = (1, 8, 64, 1024), (1, 64)
"""Images per call, by default."""
_LARGEST_BATCH = 10_000


@standard_settings()
def bench(
    artifacts: Sequence[str | Path] | None = None,
    *,
    against: str | Path | None = None,
    batches: Sequence[int] | None = None,
    threads: Sequence[int] | None = None,
    quick: bool = False,
    data_name: str | None = None,
    data_root: str | Path | None = None,
    data_options: DataOptions | None = None,
    weights_options: WeightsOptions | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> BenchResult:
    """Time artifacts on every engine of this machine beside eager PyTorch, and compare their labels with its labels.

    Each configuration runs in a process of its own, which opens the file without the checks of ``lenetx.verify``; the
    processes take turns.

    Args:
        artifacts: the files; by default those of ``against``, or of the newest checkpoint.
        against: the checkpoint or weights; by default the checkpoint beside each artifact.
        batches: images per call; by default 1, 8, 64 and 1,024, and 1 and 64 if ``quick``. A file with a fixed batch
            size is timed at that size, and so is eager PyTorch.
        threads: threads per call on the CPU; by default 1 and all that this process may use.
        quick: fewer and shorter rounds.
        data_name: data set whose test split is labelled, see ``lenetx.reference``.
        data_root: folder of the data set's files.
        data_options: how to read a custom data set.
        weights_options: how to read weights that are not a checkpoint, or whose network is custom.
        on_progress: called after each turn.
        on_notice: called with a sentence about anything that was assumed.

    Returns:
        One row for each configuration and batch size. An engine that fails has a row with the reason.

    Raises:
        InputError: there is no artifact, or a batch size or number of threads is out of range.
        LenetxError: no artifact can be opened; the error of the first one.
        CheckpointError, DataError: the checkpoint or the named data set cannot be used.
    """
    sizes = _numbers(batches, QUICK_BATCHES if quick else BATCHES, "batch size", _LARGEST_BATCH)
    counts = _numbers(threads, (1, available_cpus()), "number of threads", MOST_THREADS)
    with tempfile.TemporaryDirectory() as folder:
        preparation = _Preparation(
            Path(folder),
            counts,
            weights_options or WeightsOptions(),
            {"data_name": data_name, "data_root": data_root, "data_options": data_options},
            on_notice,
        )
        paths = [Path(each) for each in artifacts] if artifacts else _default(against)
        for path in dict.fromkeys(paths):
            on_progress(Progress(0, 1, None, f"reading {path.name}"))
            preparation.add(path, Path(against) if against else None)
        if not any(not one.is_eager for one in preparation.configurations):
            raise preparation.errors[0]
        return preparation.timed(sizes, QUICK if quick else FULL, on_progress)


def _default(against: str | Path | None) -> list[Path]:
    return artifacts_of(Path(against) if against else newest_checkpoint())


def _numbers(given: Sequence[int] | None, usual: Sequence[int], name: str, most: int) -> tuple[int, ...]:
    """Return numbers without duplicates, ascending.

    Raises:
        InputError: one is not between 1 and ``most``.
    """
    for number in given or ():
        if not 1 <= number <= most:
            raise InputError(f"The {name} is {number}; it must be 1 to {most:,}.")
    return tuple(sorted(set(given or usual)))


class _Preparation:
    """Collect the configurations, and the checkpoints and test images that their processes read from ``folder``."""

    def __init__(
        self,
        folder: Path,
        threads: Sequence[int],
        weights: WeightsOptions,
        data: dict[str, Any],
        on_notice: Callable[[str], None],
    ) -> None:
        self._folder, self._threads, self._weights, self._data = folder, threads, weights, data
        self._note = on_notice
        self.configurations: list[Configuration] = []
        self.errors: list[LenetxError] = []
        self._unusable: list[tuple[Configuration, str]] = []
        self._references: dict[str, Reference] = {}
        self._frames: dict[str, str] = {}
        self._notes: list[str] = []

    def add(self, path: Path, against: Path | None) -> None:
        """Add an artifact, and its checkpoint unless it is there already."""
        require_file(path, "artifact")
        checkpoint = against or self._beside(path)
        try:
            found = of_artifact(path, str(checkpoint or ""), self._threads)
        except LenetxError as error:
            self.errors.append(error)
            self._unusable.append(unusable(path, str(checkpoint or ""), error))
            return
        if checkpoint is not None and str(checkpoint) not in self._references:
            self._add_eager(checkpoint, path)
        self.configurations += found

    def _beside(self, path: Path) -> Path | None:
        try:
            return checkpoint_beside(path)
        except InputError as error:
            self._notes.append(f"{error} Without it there is no eager PyTorch, no accuracy and no flips to show.")
            return None

    def _add_eager(self, path: Path, artifact: Path) -> None:
        known = load_against(path, artifact, self._weights, self._note)
        found = reference(known, **self._data, stated=self._weights.stated, file=path.name, on_notice=self._note)
        number = len(self._references)
        self._references[str(path)] = found
        copy = self._folder / f"{number}.pt"
        checkpoint_file.save(known, copy)
        if found.frames is not None:
            np.save(self._folder / f"{number}.npy", found.frames)
            self._frames[str(path)] = str(self._folder / f"{number}.npy")
        self.configurations[:0] = of_checkpoint(known, path, copy, self._weights, self._threads)

    def timed(self, batches: tuple[int, ...], pace: Pace, on_progress: Callable[[Progress], None]) -> BenchResult:
        """Time every configuration."""
        fixed = {one.name: one.batch for one in self.configurations if one.batch is not None}
        notes = [f"{name} accepts only batches of {size}: it is timed at that size." for name, size in fixed.items()]
        sizes = tuple(sorted({*batches, *fixed.values()})) if fixed else batches
        answers = take_turns(self.configurations, sizes, pace, self._frames, on_progress)
        truths = {name: None if one.frames is None else one.truth for name, one in self._references.items()}
        return assemble(
            list(zip(self.configurations, answers, strict=True)),
            self._unusable,
            sizes,
            truths,
            images=self._images(),
            rounds=pace.rounds,
            notes=(*self._notes, *notes),
            environment=environment("cpu"),
            errors=tuple(self.errors),
        )

    def _images(self) -> str:
        """Return what was labelled, in words, or why nothing was."""
        words = [
            one.missing
            if one.frames is None or one.dataset is None
            else f"{len(one.frames):,} test images of {one.dataset.name}"
            for one in self._references.values()
        ]
        return "; ".join(dict.fromkeys(words)) or "No checkpoint, so no test images."
