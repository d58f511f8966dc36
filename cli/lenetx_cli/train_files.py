"""What ``lenetx train`` is told, and the files that it reads and writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from lenetx import TrainConfig

__all__ = ["Files", "settled"]


@dataclass(frozen=True, slots=True)
class Files:
    """The checkpoint, and beside it what a run writes until it is done, and its history."""

    checkpoint: Path

    @property
    def state(self) -> Path:
        """What the run can be resumed from."""
        from lenetx.training.state import SUFFIX

        return self.checkpoint.with_suffix(SUFFIX)

    @property
    def history(self) -> Path:
        """A JSON object per line and epoch."""
        return self.checkpoint.with_suffix(".history.jsonl")


def settled(
    given: Mapping[str, Any], config: Path | None, recipe: str | None, output: Path | None, *, resume: bool
) -> "tuple[TrainConfig, Files]":
    """Give the configuration and the files, all of which can be written.

    A run to resume is the one of ``output``, else the newest; what is not given is as that run has it.
    """
    from lenetx.files import require_writable
    from lenetx.locate import ARTIFACTS, newest
    from lenetx.training import settle
    from lenetx.training.state import SUFFIX, read

    if resume and output is None:
        output = newest(SUFFIX, "run to resume").with_suffix(".pt")
    if output is not None and output.suffix != ".pt":
        raise typer.BadParameter(f"'{output}' does not end in .pt.", param_hint="'--output'")
    base = read(Files(output).state).identity.config if resume and output is not None else None
    settings = settle(given, file=config, name=recipe, base=base)
    files = Files(output or ARTIFACTS / f"{settings.architecture}.pt")
    for path in (files.checkpoint, files.state, files.history):
        require_writable(path)
    return settings, files
