"""Define the outcome of a benchmark: one row for each configuration and batch size, and what follows from them."""

import csv
import dataclasses
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lenetx_runtime import LenetxError

from .statistics import Estimate

__all__ = ["BenchResult", "Row", "Subject"]

VERSION = 1


@dataclass(frozen=True, slots=True)
class Subject:
    """One configuration and what does not depend on the batch size.

    Attributes:
        artifact: the file's name; for eager PyTorch, the checkpoint's.
        checkpoint: the checkpoint that its labels are compared with; empty if there is none.
        format: its format; empty for eager PyTorch.
        precision: ``float32``, ``float16`` or ``int8``; empty if the file could not be opened.
        engine: the engine, its device and threads, in words.
        is_eager: whether it is the checkpoint in eager PyTorch.
        size_bytes: size of the file.
        device: ``cpu``, ``cuda``, or an execution provider of onnxruntime.
        threads: threads per call; ``None`` if the engine chooses.
        load_seconds: median time from the closed file to an engine that is ready, without imports.
        peak_bytes: largest resident memory of a fresh process with Python and the engine, after one call.
        accuracy: share of the test images with the right label, 0.0 to 1.0.
        flips: number of test images whose label differs from eager PyTorch's.
    """

    artifact: str
    checkpoint: str
    format: str
    precision: str
    engine: str
    is_eager: bool
    size_bytes: int
    device: str = "cpu"
    threads: int | None = None
    load_seconds: float | None = None
    peak_bytes: int | None = None
    accuracy: float | None = None
    flips: int | None = None

    @property
    def words(self) -> str:
        """The artifact and the engine, in words."""
        return f"{self.artifact} ({self.engine})"


@dataclass(frozen=True, slots=True)
class Row:
    """One configuration at one batch size.

    Attributes:
        subject: the configuration.
        batch: images per call; 0 if the engine did not start, for every batch size.
        p50: median seconds of a call.
        p99: 99th percentile; ``None`` if there are fewer than 100 calls.
        medians: median seconds of each round.
        noise: spread of the middle half of these, as a share of their median.
        calls: number of timed calls.
        pareto: whether no other row of this batch size is at least as fast and as accurate, and better in one of
            both; ``None`` without accuracies.
        problem: why there are no times; empty if there are.
    """

    subject: Subject
    batch: int
    p50: Estimate | None = None
    p99: Estimate | None = None
    medians: tuple[float, ...] = ()
    noise: float | None = None
    calls: int = 0
    pareto: bool | None = None
    problem: str = ""

    @property
    def images_per_second(self) -> float | None:
        """Images per second at the median time of a call."""
        return None if self.p50 is None else self.batch / self.p50.value

    def to_dict(self) -> dict[str, Any]:
        """Return all fields in one flat dictionary, ready for JSON and CSV; times in seconds."""
        row = {key: value for key, value in dataclasses.asdict(self).items() if key not in ("subject", "p50", "p99")}
        times = {}
        for name, found in (("p50", self.p50), ("p99", self.p99)):
            for end in ("value", "low", "high"):
                key = f"{name}_seconds" if end == "value" else f"{name}_{end}_seconds"
                times[key] = None if found is None else getattr(found, end)
        row["medians"] = list(self.medians)
        return dataclasses.asdict(self.subject) | times | {"images_per_second": self.images_per_second} | row


@dataclass(frozen=True, slots=True)
class BenchResult:
    """The outcome of ``lenetx.bench``.

    Attributes:
        rows: at least one, in the order of artifacts, engines and batch sizes; failed ones have a ``problem``.
        images: the test images, in words; or why there are none.
        rounds: number of rounds.
        recommended: a sentence for each of ``latency``, ``throughput`` and ``size``.
        notes: sentences that the reader of the figures needs.
        environment: versions and machine, in words.
        errors: why artifacts could not be opened; their rows say so too.
    """

    rows: tuple[Row, ...]
    images: str
    rounds: int
    recommended: Mapping[str, str]
    notes: tuple[str, ...]
    environment: Mapping[str, str]
    errors: tuple[LenetxError, ...] = ()

    @property
    def subjects(self) -> "Sequence[Subject]":
        """The configurations, each once."""
        return list(dict.fromkeys(row.subject for row in self.rows))

    @property
    def batches(self) -> list[int]:
        """The batch sizes that were timed, ascending."""
        return sorted({row.batch for row in self.rows if row.p50 is not None})

    def to_json(self) -> str:
        """Return one JSON document; times in seconds, sizes in bytes."""
        return json.dumps(
            {
                "version": VERSION,
                "environment": dict(self.environment),
                "images": self.images,
                "rounds": self.rounds,
                "recommended": dict(self.recommended),
                "notes": list(self.notes),
                "rows": [row.to_dict() for row in self.rows],
            },
            indent=2,
        )

    def to_csv(self) -> str:
        """Return one line per row, without the medians of the rounds; an empty cell for what is not known."""
        buffer = io.StringIO()
        plain = [{key: value for key, value in row.to_dict().items() if key != "medians"} for row in self.rows]
        writer = csv.DictWriter(buffer, list(plain[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(plain)
        return buffer.getvalue()
