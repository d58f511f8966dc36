"""Define ``lenetx train``."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import render
from .options import (
    DataRoot,
    FollowLinks,
    Images,
    Json,
    Quiet,
    SkipBad,
    augmentation_option,
    data_option,
    fitting_option,
    network_option,
    output_option,
)
from .resume_command import resume_command
from .weights import Weights, reads_weights

if TYPE_CHECKING:
    from lenetx.training import InitialWeights

__all__ = ["train"]

_OF_INIT = ("mean", "std", "labels", "trust_pickle", "accept_code")
"""Options that apply only to initial weights; ``accept_code`` also to a resumed run."""


@reads_weights
def train(
    context: typer.Context,
    data: Annotated[
        str | None,
        data_option(
            "--data",
            help="digits (bundled), mnist, fashion-mnist, kmnist, qmnist, emnist-digits, or a set of your own: a CSV "
            "of path,label rows, a folder per class, an .npz. [default: digits]",
        ),
    ] = None,
    arch: Annotated[
        str | None,
        network_option(
            "--arch",
            help="lenet5, lenet5-3x3, lenet5-1998, lenet5-bn, lenet5-dropout, torchvision:NAME, timm:NAME, or "
            "your own: FILE.py:NAME or package.module:NAME. [default: lenet5]",
        ),
    ] = None,
    *,
    weights: Weights,
    input_size: Annotated[
        str | None,
        network_option(
            "--input-size", help="Input size of the network, H or HxW. [default: the network's, or the images']"
        ),
    ] = None,
    channels: Annotated[
        int | None,
        network_option("--channels", help="1 (grey) or 3 (RGB). [default: the network's, or the images']"),
    ] = None,
    output: Annotated[
        Path | None,
        output_option("--output", "-o", help="Checkpoint to write, ending in .pt. [default: artifacts/ARCH.pt]"),
    ] = None,
    recipe: Annotated[
        str | None,
        fitting_option("--recipe", help="A complete configuration: default, fast, accurate or notes."),
    ] = None,
    config: Annotated[
        Path | None,
        fitting_option("--config", help="TOML file with any of the settings; options override it."),
    ] = None,
    epochs: Annotated[
        int | None,
        fitting_option("--epochs", help="[default: 20 for small sets, 6 for the others]"),
    ] = None,
    batch_size: Annotated[
        int | None,
        fitting_option("--batch-size", help="Images per step. [default: 32 for small sets, 128 for the others]"),
    ] = None,
    lr: Annotated[
        float | None,
        fitting_option("--lr", help="Largest learning rate. [default: 0.003]"),
    ] = None,
    seed: Annotated[
        int | None,
        fitting_option("--seed", help="Seed of the first weights and everything random. [default: 0]"),
    ] = None,
    device: Annotated[str | None, fitting_option("--device", help="cpu, cuda or cuda:N. [default: cpu]")] = None,
    loss: Annotated[
        str | None,
        fitting_option(help="cross-entropy, nll or mse. [default: cross-entropy]"),
    ] = None,
    label_smoothing: Annotated[
        float | None, fitting_option(help="Label smoothing of the cross-entropy. [default: 0]")
    ] = None,
    optimizer: Annotated[str | None, fitting_option(help="sgd, adam or adamw. [default: adam]")] = None,
    momentum: Annotated[
        float | None, fitting_option(help="Momentum of sgd, or the first beta of adam. [default: 0.9]")
    ] = None,
    weight_decay: Annotated[float | None, fitting_option(help="Weight decay of every parameter. [default: 0]")] = None,
    schedule: Annotated[
        str | None,
        fitting_option(help="constant, one-cycle, linear or cosine. [default: one-cycle]"),
    ] = None,
    warm_up: Annotated[
        float | None,
        fitting_option(help="Share of the run during which the rate rises. [default: 0.2]"),
    ] = None,
    gradient_clipping: Annotated[
        float | None, fitting_option(help="Largest norm of the gradient. [default: any]")
    ] = None,
    ema: Annotated[
        float | None,
        fitting_option(help="Decay of a moving average of the weights. [default: none]"),
    ] = None,
    patience: Annotated[
        int | None,
        fitting_option(help="Epochs without a better validation before stopping. [default: all]"),
    ] = None,
    keep: Annotated[
        str | None,
        fitting_option(help="best (on validation) or last epoch. [default: best]"),
    ] = None,
    hardest: Annotated[
        float | None,
        fitting_option(help="Share of the images that later epochs go through. [default: all]"),
    ] = None,
    amp: Annotated[
        bool | None,
        fitting_option("--amp", help="Compute in bfloat16 where that is safe."),
    ] = None,
    shift: Annotated[
        float | None,
        augmentation_option(help="Random shift in pixels along each axis. [default: 1]"),
    ] = None,
    rotate: Annotated[float | None, augmentation_option(help="Random rotation in degrees. [default: 8]")] = None,
    scale: Annotated[
        float | None, augmentation_option(help="Random scaling, as a share of the size. [default: 0.08]")
    ] = None,
    shear: Annotated[
        float | None,
        augmentation_option(help="Random shear in pixels per pixel of height. [default: 0]"),
    ] = None,
    elastic: Annotated[
        float | None,
        augmentation_option(help="Random smooth displacement in pixels. [default: 0]"),
    ] = None,
    init: Annotated[
        Path | None,
        network_option("--init", help="Weights to start from: a checkpoint or third-party weights."),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        network_option("--freeze", help="Parameters to keep fixed, as in 'conv*'; may be repeated."),
    ] = None,
    plots: Annotated[
        Path | None,
        output_option("--plots", help="Folder for pictures: curves, samples, confusion, mistakes."),
    ] = None,
    resume: Annotated[
        bool,
        output_option("--resume", help="Continue an interrupted run; options may be omitted."),
    ] = False,
    save_every: Annotated[
        float,
        output_option(help="Seconds between saves of what --resume needs; 0 for every step.", min=0),
    ] = 10,
    framing: Annotated[
        str | None,
        data_option(help="mnist, stretch, letterbox or crop. [default: mnist for digits, else stretch]"),
    ] = None,
    classes: Annotated[
        int | None,
        data_option(help="Required number of classes. [default: any]"),
    ] = None,
    data_root: DataRoot = None,
    images: Images = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    memory_limit: Annotated[
        str | None,
        data_option(help="Size, such as 1GiB, above which images stream from disk. [default: a quarter of the memory]"),
    ] = None,
    workers: Annotated[
        int | None,
        data_option(help="Processes that decode files. [default: up to 4 for a set that streams]"),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a network and write its checkpoint."""
    from lenetx import WeightsOptions
    from lenetx import train as run
    from lenetx.models.arguments import parse
    from lenetx.training import Diverged, HistoryFile, settle_data_options
    from lenetx.training.parallel import current
    from lenetx.training.run_files import Saving, settings_and_files

    given = {
        "data": data,
        "architecture": arch,
        "architecture_args": parse(weights.arch_arg) if weights.arch_arg else None,
        "input_size": input_size,
        "channels": channels,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": lr,
        "seed": seed,
        "device": device,
        "loss": loss,
        "label_smoothing": label_smoothing,
        "optimizer": optimizer,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "warm_up": warm_up,
        "gradient_clipping": gradient_clipping,
        "ema": ema,
        "patience": patience,
        "keep": keep,
        "hardest": hardest,
        "amp": amp,
        "framing": framing,
        "interpolation": weights.interpolation,
        "resize": weights.resize,
        "classes": classes,
        "freeze": freeze or None,
        "augmentation": _given_options(
            {"shift": shift, "rotate": rotate, "scale": scale, "shear": shear, "elastic": elastic}
        )
        or None,
    }
    reading = {
        "images": images,
        "skip_bad": skip_bad or None,
        "follow_links": follow_links or None,
        "memory_limit": memory_limit,
        "workers": workers,
    }
    leads = current().leads
    quiet = quiet or not leads
    notice = render.unless_closed(render.notices(quiet=quiet))
    initial = _initial(init, weights, notice, resume=resume)
    settings, files = settings_and_files(_given_options(given), config, recipe, output, initial, plots, resume=resume)
    if not resume and files.state.exists():
        notice(f"'{files.state}' of a run that was interrupted is replaced: --resume would have continued it.")
    saving = Saving(files, resume_command(context, files), notice)
    with saving, render.training(quiet=quiet) as progress:
        try:
            checkpoint = run(
                settings,
                data_root=data_root,
                data_options=settle_data_options(_given_options(reading), file=config),
                init=initial,
                weights_options=WeightsOptions(accept_code=True) if resume and weights.accept_code else None,
                on_progress=render.unless_closed(progress),
                on_epoch=HistoryFile(files.history, notice),
                on_notice=notice,
                on_trained=saving.first,
                plots=plots,
                state=files.state,
                resume=resume,
                save_every=save_every,
            )
        except Diverged as error:
            if leads and error.checkpoint is not None:
                saving.complete(error.checkpoint)
                error.kept_in(files.checkpoint)
            raise
        if leads:
            saving.complete(checkpoint)
            files.state.unlink(missing_ok=True)
    if json and leads:
        render.document({"checkpoint": str(files.checkpoint), "metrics": dict(checkpoint.metrics)})
    elif not quiet:
        with suppress(OSError, ValueError):  # the checkpoint is already written
            render.trained(checkpoint, files.checkpoint)


def _initial(init: Path | None, weights: Weights, notice: render.Step, *, resume: bool) -> "InitialWeights | None":
    from lenetx import InputError
    from lenetx.training import InitialWeights

    if init is not None:
        return InitialWeights.read(init, weights.options(), notice)
    if given := weights.words(*(name for name in _OF_INIT if not (resume and name == "accept_code"))):
        raise InputError(f"{given[0]} describes initial weights, and there are none: name them with --init.")
    return None


def _given_options(options: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}
