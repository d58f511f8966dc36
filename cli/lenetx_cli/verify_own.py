"""``lenetx verify`` for a program of one's own: the inputs that it is to be asked, and the logits that it gave."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import render

if TYPE_CHECKING:
    from lenetx import Report

__all__ = ["judge_logits", "write_inputs"]


def judge_logits(
    logits: Path, inputs: Path, against: Path | None, network: dict[str, Any], step: render.Step
) -> "tuple[Path | None, Report]":
    """Compare the logits in a file with a checkpoint's; there is no artifact to certify."""
    import lenetx
    from lenetx.data.array_files import read_array
    from lenetx.publishing.locate import newest_checkpoint

    theirs, values = read_array(logits), read_array(inputs)  # what is wrong with them is found soonest
    checkpoint = against or newest_checkpoint()
    step(f"reading {checkpoint}")
    known = lenetx.load_weights(checkpoint, **network)
    reference = lenetx.Reference(known, None, "No data set is asked.", file=checkpoint.name)
    step(f"proving {logits.name}")
    return None, lenetx.verify_logits(theirs, values, against=reference, name=logits.name)


def write_inputs(
    path: Path,
    against: Path | None,
    network: dict[str, Any],
    options: dict[str, Any],
    step: render.Step,
) -> tuple[Path, tuple[int, ...], int]:
    """Write all inputs that the proof of a function asks; give the checkpoint, their shape and the number of logits."""
    import lenetx
    from lenetx.data.array_files import write_array
    from lenetx.publishing.locate import newest_checkpoint

    checkpoint = against or newest_checkpoint()
    step(f"reading {checkpoint}")
    known = lenetx.load_weights(checkpoint, **network)
    values = lenetx.reference(known, **options, file=checkpoint.name, on_progress=step).inputs()
    write_array(path, values)
    return checkpoint, values.shape, len(known.spec.labels)
