"""Define ``lenetx predict``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import render
from .options import AllowNative, Device, Json
from .weights import Weights, reads_weights

if TYPE_CHECKING:
    from lenetx_runtime import Classifier

__all__ = ["predict"]


@reads_weights
def predict(
    model: Annotated[Path, typer.Argument(help="An artifact or checkpoint of lenetx, or any file of weights.")],
    images: Annotated[list[Path], typer.Argument(help="PNG, JPEG, BMP, WebP or GIF files of any size.")],
    top_k: Annotated[int, typer.Option("--top-k", min=1, help="How many classes to show.")] = 3,
    *,
    weights: Weights,
    device: Device = "cpu",
    allow_native: AllowNative = False,
    show_frame: Annotated[
        Path | None,
        typer.Option(
            "--show-frame",
            metavar="PNG",
            help="Write the frames that the network sees to this image, one below another.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Label images; one that cannot be used is named, and the others are labelled."""
    from lenetx_runtime.commands import label, unproven_note

    with _classifier(model, device, weights, allow_native=allow_native) as classifier:
        if unproven := unproven_note(classifier.spec, model):
            render.notices(quiet=False)(unproven)
        status, found = label(classifier, images, top_k, lambda _: None, render.error)
        answers = found["predictions"]
        if json:
            render.document({"model": str(model)} | found)
        elif answers:
            render.predictions(answers)
        if show_frame is not None and answers:
            from lenetx.data.array_files import write_picture

            write_picture(show_frame, [classifier.frame(Path(answer["image"])) for answer in answers])
    if status:
        raise typer.Exit(status)


def _classifier(model: Path, device: str, weights: Weights, *, allow_native: bool) -> "Classifier":
    from lenetx_runtime import Classifier

    if model.suffix in (".onnx", ".ort", ".so") and not weights.any:
        return Classifier(model, device=device, allow_native=allow_native)
    import lenetx

    note = render.notices(quiet=False)
    return lenetx.classifier(
        model, device=device, weights_options=weights.options(), allow_native=allow_native, on_notice=note
    )
