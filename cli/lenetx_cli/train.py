"""``lenetx train``."""

from pathlib import Path
from typing import Annotated

import typer

from . import render
from .options import DataRoot, Device, Json, Quiet

__all__ = ["train"]


def train(
    data: Annotated[str, typer.Option("--data", help="digits (bundled, no download) or mnist.")] = "digits",
    arch: Annotated[str, typer.Option("--arch", help="lenet5, lenet5-3x3 or lenet5-1998.")] = "lenet5",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Checkpoint to write, ending in .pt. [default: artifacts/ARCH.pt]"),
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="[default: 20 for digits, 5 for mnist]")] = None,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", help="Images per step. [default: 32 for digits, 128 for mnist]")
    ] = None,
    lr: Annotated[float, typer.Option("--lr", help="Largest learning rate of the one-cycle schedule.")] = 0.003,
    seed: Annotated[int, typer.Option("--seed", help="Of the first weights and the order of images.")] = 0,
    device: Device = "cpu",
    data_root: DataRoot = None,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Train a network and write its checkpoint."""
    from lenetx.checkpoint import save
    from lenetx.files import require_writable
    from lenetx.locate import ARTIFACTS
    from lenetx.training import TrainConfig
    from lenetx.training import train as run

    config = TrainConfig(data, arch, epochs, batch_size, lr, seed, device)
    path = output or ARTIFACTS / f"{arch}.pt"
    if path.suffix != ".pt":
        raise typer.BadParameter(f"'{path}' does not end in .pt.", param_hint="'--output'")
    require_writable(path)
    with render.training(quiet=quiet) as progress:
        checkpoint = run(config, data_root=data_root, on_progress=progress)
    save(checkpoint, path)
    if json:
        render.document({"checkpoint": str(path), "metrics": dict(checkpoint.metrics)})
    if not quiet:
        render.trained(checkpoint, path)
