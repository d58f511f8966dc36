"""Check that a rebuilt network computes what the module in memory computed that its checkpoint was made of."""

from typing import TYPE_CHECKING

import numpy as np

from lenetx_runtime.preprocess import normalise

from ..errors import CheckpointError

if TYPE_CHECKING:
    from .checkpoint import Checkpoint

__all__ = ["require_same_answers"]

_MACHINES = 8
"""Allowed ratio of errors between machines; another network errs by far more."""


def require_same_answers(checkpoint: "Checkpoint", name: str) -> None:
    """Compare the logits of a checkpoint's network with those of its self-test, if it has one.

    A module in memory does not tell with which arguments it was built, and weights that fit do not tell ReLU from tanh.

    Raises:
        CheckpointError: the logits differ.
    """
    import torch

    spec = checkpoint.spec
    if spec.selftest is None:
        return
    inputs = torch.from_numpy(normalise(spec.selftest.frames(spec), spec))
    module = checkpoint.module()
    with torch.no_grad(), checkpoint.guard():
        found = module(inputs).numpy()
    if not (np.abs(found - np.array(spec.selftest.logits)) <= _MACHINES * np.array(spec.selftest.limits)).all():
        raise CheckpointError(
            f"'{name}' was made of a module in memory that gives other logits than {checkpoint.title} does with these "
            "weights: give the arguments that it was built with, by --arch-arg."
        )
