"""Make the rows of a benchmark of what the processes answered."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import LenetxError

from .choose import PURPOSES, recommended, slower_than_float32, too_noisy, with_pareto
from .configuration import Configuration
from .result import BenchResult, Row, Subject
from .rounds import Timed
from .statistics import noise, percentile

__all__ = ["assemble"]


def assemble(
    timed: Sequence[tuple[Configuration, Timed]],
    unusable: Sequence[tuple[Configuration, str]],
    batches: tuple[int, ...],
    truths: "Mapping[str, NDArray[np.int64] | None]",
    *,
    images: str,
    rounds: int,
    notes: Sequence[str],
    environment: Mapping[str, str],
    errors: tuple[LenetxError, ...] = (),
) -> BenchResult:
    """Return the result.

    Args:
        timed: each configuration with what its process answered.
        unusable: configurations of artifacts that could not be opened, with the reason.
        batches: the batch sizes.
        truths: the label index of each test image, by checkpoint.
        images: the test images, in words.
        rounds: number of rounds.
        notes: sentences to begin the notes with.
        environment: versions and machine.
        errors: those of ``unusable``.
    """
    rows: list[Row] = []
    for asked, found in timed:
        subject = _subject(asked, found, truths.get(asked.checkpoint), _eager_labels(timed, asked.checkpoint))
        rows += _rows(subject, asked, found, batches)
    for asked, problem in unusable:
        rows.append(Row(_plain(asked, asked.engine), 0, problem=problem))
    rows = with_pareto(rows)
    failed = [
        f"{asked.name} ({asked.words}) did not label the images: {found.note}" for asked, found in timed if found.note
    ]
    surprises = [*slower_than_float32(rows), too_noisy(rows)]
    return BenchResult(
        tuple(rows),
        images,
        rounds,
        {purpose: recommended(rows, purpose) for purpose in PURPOSES},
        tuple(filter(None, [*notes, *failed, *surprises])),
        environment,
        errors,
    )


def _eager_labels(timed: Sequence[tuple[Configuration, Timed]], checkpoint: str) -> list[int] | None:
    """Return the labels of a checkpoint in eager PyTorch, in the first configuration that labelled the images."""
    found = (one.labels for asked, one in timed if asked.is_eager and asked.checkpoint == checkpoint)
    return next((labels for labels in found if labels is not None), None)


def _plain(asked: Configuration, engine: str) -> Subject:
    return Subject(
        asked.name,
        asked.checkpoint,
        asked.format,
        asked.precision,
        engine,
        asked.is_eager,
        asked.size_bytes,
        asked.device,
        asked.threads,
    )


def _subject(asked: Configuration, found: Timed, truth: "NDArray[np.int64] | None", eager: list[int] | None) -> Subject:
    labels = None if found.labels is None else np.array(found.labels, np.int64)
    return dataclasses.replace(
        _plain(asked, asked.words),
        load_seconds=float(np.median(found.load_seconds)) if found.load_seconds else None,
        peak_bytes=found.peak_bytes,
        accuracy=None if labels is None or truth is None else float((labels == truth).mean()),
        flips=None if labels is None or eager is None else int((labels != np.array(eager)).sum()),
    )


def _rows(subject: Subject, asked: Configuration, found: Timed, batches: tuple[int, ...]) -> list[Row]:
    if 0 in found.problems:
        return [Row(subject, 0, problem=found.problems[0])]
    return [_row(subject, size, found) for size in asked.batches(batches)]


def _row(subject: Subject, batch: int, found: Timed) -> Row:
    rounds = found.times.get(batch)
    if not rounds:
        return Row(subject, batch, problem=found.problems.get(batch, "It was not timed."))
    medians = tuple(float(np.median(one)) / 1e9 for one in rounds)
    return Row(
        subject,
        batch,
        percentile(rounds, 0.5),
        percentile(rounds, 0.99),
        medians,
        noise(medians),
        sum(map(len, rounds)),
    )
