"""The only place that prints.

Results for people go to stdout on a terminal and to stderr when stdout is not one, so that stdout can carry JSON.
"""

import io
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console

    from lenetx import Checkpoint, Progress, Report
    from lenetx.doctor import FullDiagnosis
    from lenetx.inspection import Description
    from lenetx_runtime import Prediction

__all__ = [
    "Step",
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
    "report",
    "steps",
    "text",
    "trained",
    "training",
    "version",
]

Step = Callable[[str], None]

_CHOSEN = {"best": "which validation chose", "last": "the last"}

_WIDTH = 110


def error(message: str) -> None:
    """Print one sentence on stderr."""
    print(f"lenetx: {message}", file=sys.stderr)


def notices(*, quiet: bool) -> Step:
    """Give a function that prints a sentence on stderr that a user should know, though all goes on."""
    return (lambda _: None) if quiet else lambda message: print(f"Note: {message}", file=sys.stderr, flush=True)


def text(content: str) -> None:
    """Print for machines, on stdout.

    Raises:
        OSError: it is full or closed.
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
    """Say how good the weights are and where they lie."""
    metrics = checkpoint.metrics
    _console().print(
        f"Test split, looked at once: accuracy {metrics['test_accuracy']:.2%}, average loss "
        f"{metrics['test_loss']:.4f} over {metrics['test_images']:,} images.\n{_weakest(metrics)}\nWrote {path}, "
        f"the weights of epoch {metrics['chosen_epoch']}, {_CHOSEN[checkpoint.config['keep']]}.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _weakest(metrics: Mapping[str, Any]) -> str:
    """Name the classes that are recognised worst."""
    parts = []
    for name in ("precision", "recall"):
        values = metrics[f"test_{name}"]
        label = min(values, key=values.__getitem__)
        parts.append(f"{name} {values[label]:.2%} (class {label})")
    return f"Lowest {' and '.join(parts)}."


def exported(folder: Path, reports: "Sequence[Report]") -> None:
    """Print the reports of an export as one JSON document."""
    document({"folder": str(folder), "reports": [each.to_dict() for each in reports]})


def published(folder: Path, reports: "Sequence[Report]") -> None:
    """Name the files that were moved into place."""
    names = ", ".join(str(folder / str(each.artifact["name"])) for each in reports)
    _console().print(f"Published {names}.", highlight=False, markup=False, soft_wrap=True)


def report(content: "Report", *, verbose: bool) -> None:
    """Draw the table of one report."""
    from .render_report import draw

    draw(_console(), content, verbose=verbose)


def predictions(images: Sequence[str], found: "Sequence[Prediction]", top_k: int) -> None:
    """Draw a line per image: its label, probability and the next classes."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("image", overflow="fold")
    for heading in ("label", "probability"):
        table.add_column(heading, justify="right")
    table.add_column("then")
    for image, one in zip(images, found, strict=True):
        others = ", ".join(f"{label} {share:.2%}" for label, share in one.top(top_k)[1:])
        table.add_row(image, one.label, f"{one.probability:.2%}", others)
    _console(needed=True).print(table, markup=False)


def description(content: "Description") -> None:
    """Draw what a file says of itself, then its parameters."""
    from rich.table import Table

    plain = content.to_dict()
    facts = {key: value for key, value in plain["facts"].items() if key != "history" and value is not None}
    spec = {key: value for key, value in plain["spec"].items() if value is not None}
    if content.spec.selftest is not None:  # itself it would fill the screen
        spec["selftest"] = f"{len(content.spec.selftest.logits)} images"
    rows = {"file": content.name, "kind": content.kind, "size": f"{content.size_bytes:,} bytes"} | spec | facts
    about = Table(box=None, pad_edge=False, show_header=False)
    about.add_column("field")
    about.add_column("value", overflow="fold")
    for key, value in rows.items():
        about.add_row(key, value if isinstance(value, str) else json.dumps(value))
    parameters = Table(box=None, pad_edge=False)
    for heading in ("parameter", "shape", "count", "smallest", "largest"):
        parameters.add_column(heading, justify="left" if heading == "parameter" else "right")
    for each in content.parameters:
        shape = "×".join(map(str, each.shape))
        parameters.add_row(each.name, shape, f"{each.count:,}", f"{each.minimum:.6f}", f"{each.maximum:.6f}")
    parameters.add_row("all", "", f"{sum(each.count for each in content.parameters):,}")
    console = _console(needed=True)
    console.print(about, markup=False, highlight=False)
    console.print(parameters, highlight=False, markup=False)


def diagnosis(content: "FullDiagnosis") -> None:
    """Draw what this machine has, then what is wrong, a line each."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column("name", no_wrap=True)
    table.add_column("words", overflow="fold")
    for name, words in content.rows():
        table.add_row(name, words)
    console = _console(needed=True)
    console.print(table, markup=False, highlight=False)
    for sentence in content.conclusions():
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def steps(*, quiet: bool) -> Iterator[Step]:
    """Give a function that shows what is being done: a spinner on a terminal, a line each elsewhere."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        console = _console(stderr=True)
        with console.status("starting") as status:
            yield lambda words: status.update(words)
    else:
        yield lambda words: print(words, file=sys.stderr, flush=True)


def converted(source: Path, target: Path) -> None:
    """Name the file that was written."""
    _console().print(f"Wrote {target} from {source}.", highlight=False, markup=False, soft_wrap=True)


def inputs_written(
    path: Path, checkpoint: Path, shape: Sequence[int], logits: int, arch: str | None, *, quiet: bool
) -> None:
    """Say what was written for a program of someone's own, and what to do with it."""
    if quiet:
        return
    size = ", ".join(map(str, shape))
    network = ["--arch", arch] if arch is not None else []
    command = ["lenetx", "verify", "--against", str(checkpoint), *network, "--logits", "theirs.npy", "--inputs", path]
    _console().print(
        f"Wrote {path}: float32[{size}], batch, channels, height, width.\nLet your program compute "
        f"float32[{shape[0]}, {logits}] logits, a row for each input in the same order; save them as theirs.npy, then "
        f"run:\n{shlex.join(map(str, command))}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@contextmanager
def training(*, quiet: bool) -> "Iterator[Callable[[Progress], None]]":
    """Give a function that shows training: a bar on a terminal, a line per epoch elsewhere."""
    if quiet:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar() as show:
            yield show
    else:
        yield _epoch_line


def _epoch_line(progress: "Progress") -> None:
    if progress.validation_accuracy is not None:
        print(
            f"epoch {progress.epoch}/{progress.epochs}  loss {progress.loss:.4f}  accuracy {progress.accuracy:.2%}  "
            f"validation {progress.validation_accuracy:.2%}  {progress.images_per_second:,.0f} images/s  "
            f"{progress.seconds_left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


@contextmanager
def _bar() -> "Iterator[Callable[[Progress], None]]":
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("epoch {task.fields[epoch]}"), BarColumn(), TextColumn("{task.fields[figures]}")
    with Bar(*columns, console=_console(stderr=True)) as bar:
        task = bar.add_task("train", total=None, epoch="", figures="reading the data")

        def show(progress: "Progress") -> None:
            figures = (
                f"loss {progress.loss:.4f}  accuracy {progress.accuracy:.2%}  "
                f"{progress.images_per_second:,.0f} images/s  {progress.seconds_left:.0f} s left"
            )
            epoch = f"{progress.epoch}/{progress.epochs}"
            bar.update(task, total=progress.steps, completed=progress.step, epoch=epoch, figures=figures)

        yield show


def _console(*, stderr: bool | None = None, needed: bool = False) -> "Console":
    """Return where to print; what is ``needed``, since no file holds it, raises OSError where it cannot be shown."""
    from rich.console import Console

    shown = sys.stdout if sys.stdout.isatty() else cast("TextIO", _Results(needed=needed))
    stream = sys.stderr if stderr else shown
    return Console(file=stream, width=None if stream.isatty() else _WIDTH, emoji=False)


class _Results(io.TextIOBase):
    """Standard error as the place of results; where it is full or closed, standard output."""

    def __init__(self, *, needed: bool) -> None:
        self._needed = needed

    def isatty(self) -> bool:
        return sys.stderr.isatty()

    def write(self, content: str) -> int:
        sys.stderr.write(content)
        sys.stderr.flush()
        if self._needed and getattr(sys.stderr, "is_lost", False):
            print(content, end="", flush=True)
        return len(content)
