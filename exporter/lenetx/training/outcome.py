"""Make a checkpoint from the weights that a loop kept: first the weights alone, then test figures and a self-test.

No error here, in the user's network or elsewhere, may lose a finished training.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch

from ..bounds.selftest import with_self_test
from ..errors import LenetxError
from ..execution.user_code import described
from ..frames.prepare import Prepared
from ..models.load_into import load_into
from ..weights.checkpoint import Checkpoint
from ..weights.plain_tensors import weights_sha256
from . import plots as pictures
from .augment import Augmenter
from .evaluation import Evaluation, evaluate
from .guard import guard_of
from .loop import Fitted, Record
from .losses import evaluation_loss
from .parallel import ALONE, Group
from .start import Start
from .state import Identity

__all__ = ["tested_checkpoint", "untested_checkpoint"]

_SAMPLES = 48
_Made = TypeVar("_Made")
_Notice = Callable[[str], None]


def untested_checkpoint(
    begun: Start, fitted: Fitted, identity: Identity, group: Group, skipped: Record
) -> Checkpoint | None:
    """Return the checkpoint of the weights that were kept, without test figures and self-test.

    Args:
        begun: the network and how it is built.
        fitted: the weights and the history.
        identity: identity of the run.
        group: the processes, all of which get the same weights.
        skipped: number of rows left out of the data, if the user allowed that.

    Returns:
        The checkpoint; ``None`` if no epoch was finished.
    """
    if not fitted.weights:
        return None
    weights = {name: group.told(tensor).cpu() for name, tensor in fitted.weights.items()}
    return Checkpoint(
        spec=dataclasses.replace(identity.spec, weights_sha256=weights_sha256(weights)),
        state_dict=weights,
        metrics={"chosen_epoch": fitted.epoch, **skipped},
        config={**identity.config.to_mapping(), **identity.origin},
        history=tuple(_without_time(record) | skipped for record in fitted.history),
        network=begun.architecture,
    )


def tested_checkpoint(
    checkpoint: Checkpoint,
    begun: Start,
    fitted: Fitted,
    data: Prepared,
    identity: Identity,
    plots: Path | None,
    on_notice: _Notice,
) -> Checkpoint:
    """Return the checkpoint with the figures of the test split and a self-test, and draw the plots.

    What fails is left out, with a note. A network that cannot be exported gets no self-test.

    Args:
        checkpoint: the weights, as ``untested_checkpoint`` returns them.
        begun: the network; its weights are replaced.
        fitted: the history.
        data: the splits.
        identity: identity of the run.
        plots: folder for the plots; ``None`` for no plots.
        on_notice: called with a sentence for each failure.
    """
    on_notice = _once(on_notice)  # a missing library makes every plot fail in the same way

    def evaluated() -> Evaluation:
        load_into(begun.network, checkpoint.state_dict)
        loss, guard = evaluation_loss(identity.config), guard_of(identity.config, ALONE)
        return evaluate(begun.network, data.test, loss, identity.spec.output, guard)

    evaluation = _attempt("The test split could not be evaluated", evaluated, on_notice)
    if evaluation is not None:
        checkpoint = dataclasses.replace(checkpoint, metrics=_figures(evaluation, checkpoint, on_notice))
    if plots is not None:
        for draw in _drawings(plots, fitted, data, evaluation, identity):
            _attempt("A plot could not be drawn", draw, on_notice)
    if not begun.pure:  # the same image may have other logits
        return checkpoint
    tested = _attempt(
        "The checkpoint has no self-test, because it could not be made",
        lambda: with_self_test(checkpoint, data.golden),
        on_notice,
    )
    return tested or checkpoint


def _once(on_notice: _Notice) -> _Notice:
    told: set[str] = set()

    def tell(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            on_notice(sentence)

    return tell


def _attempt(failure: str, make: Callable[[], _Made], on_notice: _Notice) -> _Made | None:
    try:
        return make()
    except LenetxError as error:
        on_notice(f"{failure}: {error}")
    except (Exception, SystemExit) as error:  # no error may lose the training
        on_notice(f"{failure}: {described(error)}")
    return None


def _figures(evaluation: Evaluation, checkpoint: Checkpoint, on_notice: _Notice) -> dict[str, Any]:
    def per_class() -> dict[str, dict[str, float]]:
        return evaluation.per_class(checkpoint.spec.labels)

    failure = "Precision and recall by class could not be computed"
    return {
        "test_accuracy": evaluation.accuracy,
        "test_loss": evaluation.loss,
        "test_images": len(evaluation.labels),
        **checkpoint.metrics,
        **(_attempt(failure, per_class, on_notice) or {}),
    }


def _without_time(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "seconds"}


def _drawings(
    folder: Path, fitted: Fitted, splits: Prepared, evaluation: Evaluation | None, identity: Identity
) -> list[Callable[[], None]]:
    """Return one function per plot, so that a failure does not prevent the others."""
    spec, test = identity.spec, splits.test

    def samples() -> None:
        inputs, labels = next(iter(splits.train.batches([torch.arange(min(_SAMPLES, len(splits.train)))])))
        if identity.config.augmentation:
            _, height, width = splits.train.shape
            draws = torch.Generator().manual_seed(identity.config.seed)
            inputs = Augmenter(identity.config.augmentation, height, width, splits.train.device, draws)(inputs)
        pictures.samples(folder / "samples.png", inputs, labels, spec)

    drawings = [lambda: pictures.curves(folder / "curves.png", fitted.history), samples]
    if evaluation is not None:
        drawings += [
            lambda: pictures.confusion(folder / "confusion.png", evaluation, spec.labels),
            lambda: pictures.mistakes(folder / "mistakes.png", evaluation, test, spec),
        ]
    return drawings
