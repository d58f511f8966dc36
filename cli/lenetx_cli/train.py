"""``lenetx train``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from . import render
from .options import DataRoot, FollowLinks, Images, Json, Quiet, SkipBad

__all__ = ["train"]


def train(
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="digits (bundled), mnist, fashion-mnist, kmnist, qmnist, emnist-digits, or a set of your own: a CSV "
            "of path,label rows, a folder per class, an .npz. [default: digits]",
        ),
    ] = None,
    arch: Annotated[
        str | None, typer.Option("--arch", help="lenet5, lenet5-3x3 or lenet5-1998. [default: lenet5]")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Checkpoint to write, ending in .pt. [default: artifacts/ARCH.pt]"),
    ] = None,
    recipe: Annotated[str | None, typer.Option("--recipe", help="A whole configuration: default or notes.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file with any of the settings; options override it.")
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="[default: 20 for digits, 5 for the others]")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Images per step. [default: 32 for digits, 128 for the others]")
    ] = None,
    lr: Annotated[float | None, typer.Option("--lr", help="Largest learning rate. [default: 0.003]")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Of the first weights and all that is random. [default: 0]")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda or cuda:N. [default: cpu]")] = None,
    loss: Annotated[str | None, typer.Option(help="cross-entropy, nll or mse. [default: cross-entropy]")] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="Of the cross-entropy. [default: 0]")] = None,
    optimizer: Annotated[str | None, typer.Option(help="sgd, adam or adamw. [default: adam]")] = None,
    momentum: Annotated[float | None, typer.Option(help="Of sgd, or the first beta. [default: 0.9]")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of every parameter. [default: 0]")] = None,
    schedule: Annotated[str | None, typer.Option(help="constant, one-cycle or cosine. [default: one-cycle]")] = None,
    warm_up: Annotated[float | None, typer.Option(help="Share of the run with a rising rate. [default: 0.2]")] = None,
    gradient_clipping: Annotated[
        float | None, typer.Option(help="Largest norm of the gradient. [default: any]")
    ] = None,
    ema: Annotated[float | None, typer.Option(help="Decay of a moving average of the weights. [default: none]")] = None,
    patience: Annotated[
        int | None, typer.Option(help="Epochs without a better validation before stopping. [default: all]")
    ] = None,
    keep: Annotated[str | None, typer.Option(help="best (on validation) or last epoch. [default: best]")] = None,
    amp: Annotated[bool | None, typer.Option("--amp", help="Compute in bfloat16 where that is safe.")] = None,
    shift: Annotated[float | None, typer.Option(help="Augment at random: pixels along each axis. [default: 0]")] = None,
    rotate: Annotated[float | None, typer.Option(help="The same: degrees. [default: 0]")] = None,
    scale: Annotated[float | None, typer.Option(help="The same: share of the size. [default: 0]")] = None,
    shear: Annotated[float | None, typer.Option(help="The same: pixels per pixel of height. [default: 0]")] = None,
    elastic: Annotated[
        float | None, typer.Option(help="The same: pixels of a smooth displacement. [default: 0]")
    ] = None,
    framing: Annotated[
        str | None, typer.Option(help="mnist, stretch or letterbox. [default: mnist for digits, else stretch]")
    ] = None,
    classes: Annotated[
        int | None, typer.Option(help="How many classes there have to be. [default: as many as there are]")
    ] = None,
    data_root: DataRoot = None,
    images: Images = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    memory_limit: Annotated[
        str | None,
        typer.Option(help="Size, such as 1GiB, above which images stream from the disk. [default: a quarter]"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that decode files. [default: up to 4 for a set that streams]")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a network and write its checkpoint."""
    from lenetx.checkpoint import save
    from lenetx.files import require_writable
    from lenetx.locate import ARTIFACTS
    from lenetx.training import settle, settle_data_options
    from lenetx.training import train as run

    given = {
        "data": data,
        "architecture": arch,
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
        "amp": amp,
        "framing": framing,
        "classes": classes,
        "augmentation": _said({"shift": shift, "rotate": rotate, "scale": scale, "shear": shear, "elastic": elastic})
        or None,
    }
    settings = settle(_said(given), file=config, name=recipe)
    reading = {
        "images": images,
        "skip_bad": skip_bad or None,
        "follow_links": follow_links or None,
        "memory_limit": memory_limit,
        "workers": workers,
    }
    options = settle_data_options(_said(reading), file=config)
    path = output or ARTIFACTS / f"{settings.architecture}.pt"
    if path.suffix != ".pt":
        raise typer.BadParameter(f"'{path}' does not end in .pt.", param_hint="'--output'")
    require_writable(path)
    with render.training(quiet=quiet) as progress:
        checkpoint = run(
            settings,
            data_root=data_root,
            data_options=options,
            on_progress=progress,
            on_notice=lambda words: None if quiet else render.notice(words),
        )
    save(checkpoint, path)
    if json:
        render.document({"checkpoint": str(path), "metrics": dict(checkpoint.metrics)})
    if not quiet:
        render.trained(checkpoint, path)


def _said(options: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}
