"""Print all output of the command: results to stdout; progress, notes and errors to stderr."""

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lenetx_runtime.values import visible

if TYPE_CHECKING:
    from rich.console import Console

    from lenetx import BenchResult, Checkpoint, Progress, Report
    from lenetx.benchmark.rounds import Progress as BenchProgress
    from lenetx.doctor import FullDiagnosis
    from lenetx.publishing.inspection import Description
    from lenetx.publishing.publish import Refusal

__all__ = [
    "Step",
    "benchmark",
    "benchmarked",
    "converted",
    "description",
    "diagnosis",
    "document",
    "error",
    "exported",
    "inputs_written",
    "notices",
    "predictions",
    "published",
    "reports",
    "steps",
    "text",
    "trained",
    "training",
    "unless_closed",
    "version",
]

Step = Callable[[str], None]
_Shown = TypeVar("_Shown")

_CHOSEN = {"best": "which validation chose", "last": "the last"}

_WIDTH = 110


def error(message: str) -> None:
    """Print one sentence on stderr."""
    print(f"lenetx: {visible(message)}", file=sys.stderr)


def notices(*, quiet: bool) -> Step:
    """Return a function that prints a notice on stderr."""
    if quiet:
        return lambda _: None
    return lambda message: print(f"Note: {visible(message)}", file=sys.stderr, flush=True)


def unless_closed(show: Callable[[_Shown], None]) -> Callable[[_Shown], None]:
    """Wrap a function so that a closed or full output stream does not stop a training."""

    def attempt(content: _Shown) -> None:
        with suppress(OSError, ValueError):  # ValueError: the stream was closed by this process
            show(content)

    return attempt


def text(content: str) -> None:
    """Print text on stdout without formatting.

    Raises:
        OSError: stdout is full or closed.
    """
    print(content, flush=True)


def document(content: Any) -> None:
    """Print one JSON document on stdout."""
    text(json.dumps(content, indent=2))


def version() -> None:
    """Print the versions of both distributions."""
    from importlib import metadata

    text(f"lenetx {metadata.version('lenetx')}, lenetx-runtime {metadata.version('lenetx-runtime')}")


def trained(checkpoint: "Checkpoint", path: Path) -> None:
    """Print the test metrics of trained weights and the path of their checkpoint."""
    metrics, lines = checkpoint.metrics, []
    if "test_accuracy" in metrics:
        lines.append(
            f"Test split, evaluated once: accuracy {metrics['test_accuracy']:.2%}, average loss "
            f"{metrics['test_loss']:.4f} over {metrics['test_images']:,} images."
        )
    if "test_recall" in metrics:
        lines.append(_weakest(metrics))
    chosen = _CHOSEN[checkpoint.config["keep"]]
    lines.append(f"Wrote {visible(str(path))}, the weights of epoch {metrics['chosen_epoch']}, {chosen}.")
    _console().print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _weakest(metrics: Mapping[str, Any]) -> str:
    """Return a sentence that names the classes with the lowest precision and recall."""
    parts = []
    for name in ("precision", "recall"):
        values = metrics[f"test_{name}"]
        label = min(values, key=values.__getitem__)
        parts.append(f"{name} {values[label]:.2%} (class {visible(label)})")
    return f"Lowest {' and '.join(parts)}."


def exported(folder: Path, reports: "Sequence[Report]", refusals: "Sequence[Refusal]" = ()) -> None:
    """Print the reports of an export, and the formats that were not published, as one JSON document."""
    refused = [{"name": each.name, "format": each.format, "reason": each.reason} for each in refusals]
    document({"folder": str(folder), "reports": [each.to_dict() for each in reports], "refused": refused})


def published(folder: Path, reports: "Sequence[Report]", *, unproven: bool = False) -> None:
    """Print the names of the published files, and whether nothing was proven."""
    names = visible(", ".join(str(folder / str(each.artifact["name"])) for each in reports))
    _console().print(f"Published {names}{', unproven' * unproven}.", highlight=False, markup=False, soft_wrap=True)


def reports(content: "Sequence[Report]", *, verbose: bool = False, just_exported: bool = False) -> None:
    """Print the table of each report."""
    from .render_report import draw

    for one in content:
        draw(_console(), one, verbose=verbose, just_exported=just_exported)


def predictions(answers: Sequence[Mapping[str, Any]]) -> None:
    """Print one line per image: its label, its probability and the next classes."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="fold")
    for heading in ("label", "probability"):
        table.add_column(heading, justify="right")
    table.add_column("then")
    for answer in answers:
        others = ", ".join(f"{each['label']} {each['probability']:.2%}" for each in answer["top"][1:])
        shown = (answer["image"], answer["label"], f"{answer['probability']:.2%}", others)
        table.add_row(*map(visible, shown))
    _console().print(table, markup=False)


def description(content: "Description") -> None:
    """Print a file's metadata, then its parameters."""
    from .render_description import draw

    draw(_console(), content)


def diagnosis(content: "FullDiagnosis") -> None:
    """Print the findings about this machine as a table, then the conclusions, one line each."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("name", no_wrap=True)
    table.add_column("words", overflow="fold")
    for name, words in content.rows():
        table.add_row(name, visible(words))
    console = _console()
    console.print(table, markup=False, highlight=False)
    for sentence in content.conclusions():
        console.print(visible(sentence), markup=False, highlight=False, soft_wrap=True)


@contextmanager
def steps(*, quiet: bool) -> Iterator[Step]:
    """Yield a function that shows the current step: a spinner on a terminal, one line per step elsewhere."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        from rich.markup import escape

        console = _console(stderr=True)
        with console.status("starting") as status:
            yield lambda words: status.update(escape(visible(words)))
    else:
        yield lambda words: print(visible(words), file=sys.stderr, flush=True)


def converted(source: Path, target: Path) -> None:
    """Print the name of the file that was written."""
    _console().print(visible(f"Wrote {target} from {source}."), highlight=False, markup=False, soft_wrap=True)


def inputs_written(
    path: Path, checkpoint: Path, shape: Sequence[int], logits: int, network: Sequence[str], *, quiet: bool
) -> None:
    """Print what the file of inputs contains and how to verify a custom program with it."""
    if quiet:
        return
    size = ", ".join(map(str, shape))
    command = ["lenetx", "verify", "--against", str(checkpoint), *network, "--logits", "theirs.npy", "--inputs", path]
    _console().print(
        f"Wrote {visible(str(path))}: float32[{size}], batch, channels, height, width.\nLet your program compute "
        f"float32[{shape[0]}, {logits}] logits, a row for each input in the same order; save them as theirs.npy, then "
        f"run:\n{shlex.join(map(str, command))}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@contextmanager
def training(*, quiet: bool) -> "Iterator[Callable[[Progress], None]]":
    """Yield a function that shows a training's progress: a bar on a terminal, one line per epoch elsewhere."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        from .render_training import bar

        with bar(_console(stderr=True)) as show:
            yield show
    else:
        yield _epoch_line


@contextmanager
def benchmark(*, quiet: bool) -> "Iterator[Callable[[BenchProgress], None]]":
    """Yield a function that shows a benchmark's progress: a bar on a terminal, one line per step elsewhere."""
    from .render_bench import bar, in_words

    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with bar(_console(stderr=True)) as show:
            yield show
    else:
        shown = [""]

        def line(progress: "BenchProgress") -> None:
            if progress.words != shown[0]:
                shown[0] = progress.words
                print(in_words(progress), file=sys.stderr, flush=True)

        yield line


def benchmarked(content: "BenchResult", purpose: str) -> None:
    """Print the tables of a benchmark and what it recommends for a purpose."""
    from .render_bench import draw

    draw(_console(), content, purpose)


def _epoch_line(progress: "Progress") -> None:
    if progress.validation_accuracy is not None:
        print(
            f"epoch {progress.epoch}/{progress.epochs}  loss {progress.loss:.4f}  accuracy {progress.accuracy:.2%}  "
            f"validation {progress.validation_accuracy:.2%}  {progress.images_per_second:,.0f} images/s  "
            f"{progress.seconds_left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def _console(*, stderr: bool = False) -> "Console":
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would end the process with 1, which means a failed proof

    stream = sys.stderr if stderr else sys.stdout
    return Piped(file=stream, width=None if stream.isatty() else _WIDTH, emoji=False)
