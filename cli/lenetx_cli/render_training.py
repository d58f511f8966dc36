"""Show the progress bar of a training."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from lenetx import Progress

__all__ = ["bar"]


@contextmanager
def bar(console: "Console") -> "Iterator[Callable[[Progress], None]]":
    """Yield a function that updates a progress bar and the metrics beside it."""
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = TextColumn("epoch {task.fields[epoch]}"), BarColumn(), TextColumn("{task.fields[figures]}")
    with Bar(*columns, console=console) as bar:
        task, validation = bar.add_task("train", total=None, epoch="", figures="reading the data"), ""

        def show(progress: "Progress") -> None:
            nonlocal validation
            if progress.validation_accuracy is not None:
                validation = f"validation {progress.validation_accuracy:.2%}  "
            figures = (
                f"loss {progress.loss:.4f}  accuracy {progress.accuracy:.2%}  {validation}"
                f"{progress.images_per_second:,.0f} images/s  {progress.seconds_left:.0f} s left"
            )
            epoch = f"{progress.epoch}/{progress.epochs}"
            bar.update(task, total=progress.steps, completed=progress.step, epoch=epoch, figures=figures)

        yield show
