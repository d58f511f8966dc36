"""Define ``lenetx export``."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from . import render
from .options import DataRoot, FollowLinks, Images, Json, MaxDrop, Quiet, SkipBad, require_no_folder
from .weights import Weights, reads_weights

__all__ = ["export"]


@reads_weights
def export(
    checkpoint: Annotated[
        Path | None,
        typer.Argument(help="Checkpoint or weights to export. [default: the newest in artifacts/]", show_default=False),
    ] = None,
    format: Annotated[  # noqa: A002  # the option's name
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            help="onnx, torchscript, pt2, ort, openvino, executorch, c, native; repeatable. [default: the first two]",
        ),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="Every format in every precision; those that cannot be made are named.")
    ] = False,
    batch: Annotated[str, typer.Option("--batch", "-b", help="'dynamic', or a fixed batch size.")] = "dynamic",
    opset: Annotated[int | None, typer.Option("--opset", help="Opset of the ONNX file. [default: 18]")] = None,
    march: Annotated[
        str | None,
        typer.Option("--march", help="native: x86-64 to x86-64-v4. [default: this processor's]", show_default=False),
    ] = None,
    largest_batch: Annotated[
        int | None,
        typer.Option("--largest-batch", help="ExecuTorch: images per call of a dynamic batch. [default: 64]"),
    ] = None,
    precision: Annotated[
        str, typer.Option("--precision", help="fp32, int8 (ONNX, C, ExecuTorch) or fp16 (ONNX, OpenVINO).")
    ] = "fp32",
    calibration: Annotated[
        str | None,
        typer.Option(
            "--calibration", help="int8: minmax, entropy or percentile. [default: minmax]", show_default=False
        ),
    ] = None,
    calibration_images: Annotated[
        int | None, typer.Option("--calibration-images", help="int8: training images to use. [default: 1000]")
    ] = None,
    max_drop: MaxDrop = None,
    raw_input: Annotated[
        bool,
        typer.Option("--raw-input", help="ONNX: take uint8 images and normalise them in the graph: NAME.raw.onnx."),
    ] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="ONNX: add the softmax of the logits as a second output.")
    ] = False,
    with_framing: Annotated[
        bool, typer.Option("--with-framing/--without-framing", help="C: take pictures of any size, not only frames.")
    ] = True,
    name: Annotated[
        str | None,
        typer.Option(
            "--name", help="File name without its ending; of a C file, an identifier. [default: the weights']"
        ),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", "-o", help="Folder to write to. [default: the checkpoint's]")
    ] = None,
    *,
    weights: Weights,
    data: Annotated[
        str | None, typer.Option("--data", help="Data set whose test split the proof uses. [default: the checkpoint's]")
    ] = None,
    data_root: DataRoot = None,
    images: Images = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Export a checkpoint or third-party weights, prove the artifacts and publish those that pass."""
    import lenetx
    from lenetx import formats
    from lenetx.errors import ProofFailed
    from lenetx.publishing.locate import newest_checkpoint

    names = list(dict.fromkeys(format)) if format else None
    for each in names or ():
        formats.require(each)
    chosen = (names, opset, march, largest_batch, calibration, calibration_images)
    if all_ and (precision != "fp32" or raw_input or probabilities or any(each is not None for each in chosen)):
        problem = (
            "it makes every format in every precision: no --format, --opset, --march, --largest-batch, --precision or "
            "--calibration."
        )
        raise typer.BadParameter(problem, param_hint="'--all'")
    reduction = lenetx.Precision(precision, calibration, calibration_images, None if all_ else max_drop)
    size = _batch(batch)
    require_no_folder(weights.network_output)
    options = weights.options()
    path = checkpoint or newest_checkpoint()
    folder = folder or path.parent
    note = render.notices(quiet=quiet)
    refusals: list[lenetx.Refusal] = []
    with render.steps(quiet=quiet) as step:
        step(f"reading {path}")
        loaded = lenetx.load_weights(path, weights_options=options, on_notice=note)
        try:
            making: dict[str, Any] = {
                "folder": folder,
                "name": name or path.stem,
                "batch": size,
                "data_name": data,
                "data_root": data_root,
                "data_options": lenetx.DataOptions(images=images, skip_bad=skip_bad, follow_links=follow_links),
                "on_progress": step,
                "on_notice": note,
                "on_refusal": None if names else refusals.append,
            }
            if all_:
                reports = lenetx.export_all(loaded, max_drop=max_drop, **making)
            else:
                reports = lenetx.export(
                    loaded,
                    names,
                    opset=opset,
                    march=march,
                    largest_batch=largest_batch,
                    precision=reduction,
                    raw_input=raw_input,
                    probabilities=probabilities,
                    with_framing=with_framing,
                    **making,
                )
        except ProofFailed as error:
            if json:
                render.exported(folder, error.reports)
            else:
                render.reports(error.reports, just_exported=True)
            raise
    if json:
        render.exported(folder, reports, refusals)
    elif not quiet:
        render.reports([*reports, *(each.report for each in refusals if each.report is not None)], just_exported=True)
        render.published(folder, reports)
    for refusal in refusals:
        note(f"{folder / refusal.name} was not published: {refusal.reason}")


def _batch(text: str) -> int | Literal["dynamic"]:
    if text == "dynamic":
        return "dynamic"
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is neither 'dynamic' nor a number.", param_hint="'--batch'") from None
