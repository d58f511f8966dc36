"""Show the progress of a benchmark, and its tables."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lenetx_runtime.values import visible

if TYPE_CHECKING:
    from rich.console import Console

    from lenetx import BenchResult
    from lenetx.benchmark.rounds import Progress

__all__ = ["bar", "draw", "in_words"]

_TEXT_COLUMNS = 2


@contextmanager
def bar(console: "Console") -> "Iterator[Callable[[Progress], None]]":
    """Yield a function that updates a progress bar, the current step and the time left."""
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = BarColumn(), TextColumn("{task.fields[words]}", markup=False)
    with Bar(*columns, console=console) as shown:
        task = shown.add_task("bench", total=None, words="")

        def show(progress: "Progress") -> None:
            total = None if progress.done == 0 else progress.total
            shown.update(task, total=total, completed=progress.done, words=in_words(progress))

        yield show


def in_words(progress: "Progress") -> str:
    """Return the current step and the time left, on one line."""
    left = "" if progress.seconds_left is None else f", {progress.seconds_left:.0f} s left"
    return visible(f"{progress.words}{left}")


def draw(console: "Console", content: "BenchResult", purpose: str) -> None:
    """Print the tables, what failed, the notes and the recommendation."""
    from rich.table import Table

    from lenetx.benchmark.words import failures, legend, tables

    for each in tables(content):
        table = Table(box=None, pad_edge=False, title=each.title, title_justify="left", title_style="bold")
        for place, heading in enumerate(each.heading):
            text = place < _TEXT_COLUMNS
            table.add_column(heading, justify="left" if text else "right", overflow="fold", no_wrap=not text)
        for cells in each.rows:
            table.add_row(*map(visible, cells))
        console.print(table, highlight=False, markup=False)
        console.print()
    failed = [f"Failed: {sentence}" for sentence in failures(content)]
    notes = [f"Note: {sentence}" for sentence in content.notes]
    for sentence in (*legend(content), *failed, *notes, content.recommended[purpose]):
        console.print(visible(sentence), highlight=False, markup=False, soft_wrap=True)
