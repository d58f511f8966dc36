"""``lenetx train``."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from . import render
from .options import ArchArg, DataRoot, FollowLinks, Images, Json, Quiet, SkipBad, TrustPickle
from .train_files import resume_command

__all__ = ["train"]


def train(
    context: typer.Context,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="digits (bundled), mnist, fashion-mnist, kmnist, qmnist, emnist-digits, or a set of your own: a CSV "
            "of path,label rows, a folder per class, an .npz. [default: digits]",
            rich_help_panel="Data",
        ),
    ] = None,
    arch: Annotated[
        str | None,
        typer.Option(
            "--arch",
            help="lenet5, lenet5-3x3, lenet5-1998, lenet5-bn, lenet5-dropout, torchvision:NAME, or your own: "
            "FILE.py:NAME or package.module:NAME. [default: lenet5]",
            rich_help_panel="Network",
        ),
    ] = None,
    arch_arg: ArchArg = None,
    input_size: Annotated[
        str | None,
        typer.Option(
            "--input-size",
            help="Of the network, H or HxW. [default: its own, or the images']",
            rich_help_panel="Network",
        ),
    ] = None,
    channels: Annotated[
        int | None,
        typer.Option(
            "--channels", help="1 (grey) or 3 (RGB). [default: its own, or the images']", rich_help_panel="Network"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Checkpoint to write, ending in .pt. [default: artifacts/ARCH.pt]",
            rich_help_panel="Files and output",
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(
            "--recipe", help="A whole configuration: default, fast, accurate or notes.", rich_help_panel="Optimisation"
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="TOML file with any of the settings; options override it.", rich_help_panel="Optimisation"
        ),
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", help="[default: 20 for small sets, 6 for the others]", rich_help_panel="Optimisation"),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            help="Images per step. [default: 32 for small sets, 128 for the others]",
            rich_help_panel="Optimisation",
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option("--lr", help="Largest learning rate. [default: 0.003]", rich_help_panel="Optimisation"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", help="Of the first weights and all that is random. [default: 0]", rich_help_panel="Optimisation"
        ),
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, cuda or cuda:N. [default: cpu]", rich_help_panel="Optimisation")
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(help="cross-entropy, nll or mse. [default: cross-entropy]", rich_help_panel="Optimisation"),
    ] = None,
    label_smoothing: Annotated[
        float | None, typer.Option(help="Of the cross-entropy. [default: 0]", rich_help_panel="Optimisation")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="sgd, adam or adamw. [default: adam]", rich_help_panel="Optimisation")
    ] = None,
    momentum: Annotated[
        float | None, typer.Option(help="Of sgd, or the first beta. [default: 0.9]", rich_help_panel="Optimisation")
    ] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Of every parameter. [default: 0]", rich_help_panel="Optimisation")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            help="constant, one-cycle, linear or cosine. [default: one-cycle]", rich_help_panel="Optimisation"
        ),
    ] = None,
    warm_up: Annotated[
        float | None,
        typer.Option(help="Share of the run with a rising rate. [default: 0.2]", rich_help_panel="Optimisation"),
    ] = None,
    gradient_clipping: Annotated[
        float | None, typer.Option(help="Largest norm of the gradient. [default: any]", rich_help_panel="Optimisation")
    ] = None,
    ema: Annotated[
        float | None,
        typer.Option(help="Decay of a moving average of the weights. [default: none]", rich_help_panel="Optimisation"),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            help="Epochs without a better validation before stopping. [default: all]", rich_help_panel="Optimisation"
        ),
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(help="best (on validation) or last epoch. [default: best]", rich_help_panel="Optimisation"),
    ] = None,
    hardest: Annotated[
        float | None,
        typer.Option(
            help="Share of the images that later epochs go through. [default: all]", rich_help_panel="Optimisation"
        ),
    ] = None,
    amp: Annotated[
        bool | None,
        typer.Option("--amp", help="Compute in bfloat16 where that is safe.", rich_help_panel="Optimisation"),
    ] = None,
    shift: Annotated[
        float | None,
        typer.Option(help="Augment at random: pixels along each axis. [default: 1]", rich_help_panel="Augmentation"),
    ] = None,
    rotate: Annotated[
        float | None, typer.Option(help="The same: degrees. [default: 8]", rich_help_panel="Augmentation")
    ] = None,
    scale: Annotated[
        float | None, typer.Option(help="The same: share of the size. [default: 0.08]", rich_help_panel="Augmentation")
    ] = None,
    shear: Annotated[
        float | None,
        typer.Option(help="The same: pixels per pixel of height. [default: 0]", rich_help_panel="Augmentation"),
    ] = None,
    elastic: Annotated[
        float | None,
        typer.Option(help="The same: pixels of a smooth displacement. [default: 0]", rich_help_panel="Augmentation"),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(
            "--init", help="Begin with these weights: of a checkpoint or from elsewhere.", rich_help_panel="Network"
        ),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            "--freeze", help="Parameters that stay as they are, as in 'conv*'; repeatable.", rich_help_panel="Network"
        ),
    ] = None,
    trust_pickle: TrustPickle = False,
    plots: Annotated[
        Path | None,
        typer.Option(
            "--plots",
            help="Folder for pictures: curves, samples, confusion, mistakes.",
            rich_help_panel="Files and output",
        ),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with an interrupted run; options may be left away.",
            rich_help_panel="Files and output",
        ),
    ] = False,
    save_every: Annotated[
        float,
        typer.Option(
            help="Seconds between two savings of what --resume needs; 0 for every step.",
            min=0,
            rich_help_panel="Files and output",
        ),
    ] = 10,
    framing: Annotated[
        str | None,
        typer.Option(
            help="mnist, stretch or letterbox. [default: mnist for digits, else stretch]", rich_help_panel="Data"
        ),
    ] = None,
    classes: Annotated[
        int | None,
        typer.Option(help="How many classes there have to be. [default: as many as there are]", rich_help_panel="Data"),
    ] = None,
    data_root: DataRoot = None,
    images: Images = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    memory_limit: Annotated[
        str | None,
        typer.Option(
            help="Size, such as 1GiB, above which images stream from the disk. [default: a quarter]",
            rich_help_panel="Data",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that decode files. [default: up to 4 for a set that streams]", rich_help_panel="Data"
        ),
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a network and write its checkpoint."""
    from lenetx import train as run
    from lenetx.models.arguments import parse
    from lenetx.training import Diverged, HistoryFile, InitialWeights, settle_data_options
    from lenetx.training.parallel import current
    from lenetx.training.run_files import Saving, settled

    given = {
        "data": data,
        "architecture": arch,
        "architecture_args": parse(arch_arg) if arch_arg else None,
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
        "classes": classes,
        "freeze": freeze or None,
        "augmentation": _said({"shift": shift, "rotate": rotate, "scale": scale, "shear": shear, "elastic": elastic})
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
    initial = InitialWeights.read(init, trust_pickle=trust_pickle, on_notice=notice) if init is not None else None
    settings, files = settled(_said(given), config, recipe, output, initial, plots, resume=resume)
    if not resume and files.state.exists():
        notice(f"'{files.state}' of a run that was interrupted is replaced: --resume would have gone on with it.")
    saving = Saving(files, resume_command(context, files), notice)
    with saving, render.training(quiet=quiet) as progress:
        try:
            checkpoint = run(
                settings,
                data_root=data_root,
                data_options=settle_data_options(_said(reading), file=config),
                init=initial,
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
        with suppress(OSError, ValueError):  # the checkpoint is there, whoever reads of it
            render.trained(checkpoint, files.checkpoint)


def _said(options: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}
