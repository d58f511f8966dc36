"""Define ``lenetx bench``."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import render
from .options import DataRoot, FollowLinks, Images, Json, Quiet, SkipBad, output_option
from .weights import Weights, reads_weights

if TYPE_CHECKING:
    from lenetx import BenchResult

__all__ = ["bench"]


@reads_weights
def bench(
    artifacts: Annotated[
        list[Path] | None,
        typer.Argument(help="Files to time. [default: those of the newest checkpoint]", show_default=False),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="Time every artifact of the checkpoint; the default.")] = False,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", help="Checkpoint or weights to compare with. [default: the checkpoint of the same name]"
        ),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option("--batch", "-b", help="Images per call; may be repeated. [default: 1, 8, 64 and 1024]"),
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option("--threads", help="CPU threads per call; may be repeated. [default: 1 and all]"),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer and shorter rounds; batches of 1 and 64.")] = False,
    purpose: Annotated[
        str, typer.Option("--for", help="What to recommend for: latency, throughput or size.")
    ] = "latency",
    *,
    weights: Weights,
    data: Annotated[
        str | None, typer.Option("--data", help="Data set whose test split is labelled. [default: the checkpoint's]")
    ] = None,
    data_root: DataRoot = None,
    images: Images = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    csv: Annotated[Path | None, output_option("--csv", help="Write the rows to this .csv file.")] = None,
    html: Annotated[Path | None, output_option("--html", help="Write tables and plot to this .html file.")] = None,
    plot: Annotated[
        Path | None, output_option("--plot", help="Draw accuracy against latency, sizes as areas, to this .png file.")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Time artifacts on every engine of this machine, beside eager PyTorch, and recommend one."""
    import lenetx
    from lenetx.benchmark.choose import PURPOSES
    from lenetx.errors import EngineMissing, UnknownName

    if purpose not in PURPOSES:
        raise UnknownName("purpose", purpose, PURPOSES)
    if all_ and artifacts:
        raise typer.BadParameter("it takes every artifact of the checkpoint: name none.", param_hint="'--all'")
    for path, ending in ((csv, ".csv"), (html, ".html"), (plot, ".png")):
        _require(path, ending)
    with render.benchmark(quiet=quiet) as show:
        result = lenetx.bench(
            artifacts,
            against=against,
            batches=batch,
            threads=threads,
            quick=quick,
            data_name=data,
            data_root=data_root,
            data_options=lenetx.DataOptions(images=images, skip_bad=skip_bad, follow_links=follow_links),
            weights_options=weights.options(),
            on_progress=show,
            on_notice=render.notices(quiet=quiet),
        )
    if json:
        render.text(result.to_json())
    elif not quiet:
        render.benchmarked(result, purpose)
    _write(result, csv, html, plot)
    damaged: Sequence[lenetx.LenetxError] = [each for each in result.errors if not isinstance(each, EngineMissing)]
    if damaged:
        raise damaged[0]


def _require(path: Path | None, ending: str) -> None:
    """Check, before the work, that a file has the suffix and can be written."""
    from lenetx.files import require_writable

    if path is None:
        return
    if path.suffix != ending:
        raise typer.BadParameter(f"'{path}' does not end in {ending}.", param_hint=f"'--{_NAMES[ending]}'")
    require_writable(path)


_NAMES = {".csv": "csv", ".html": "html", ".png": "plot"}
"""Options by the suffix of their files."""


def _write(result: "BenchResult", csv: Path | None, html: Path | None, plot: Path | None) -> None:
    from lenetx.benchmark.page import to_html
    from lenetx.benchmark.picture import to_png
    from lenetx.files import write_atomically

    picture = to_png(result) if html is not None or plot is not None else b""
    page = to_html(result, picture, date.today().isoformat()) if html is not None else ""
    for path, content in ((csv, result.to_csv().encode()), (html, page.encode()), (plot, picture)):
        if path is not None:
            write_atomically(path, content)
