"""Plot a run: training curves, samples of its input, the confusion matrix and the worst mistakes."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lenetx_runtime import ModelSpec

from ..files import write_atomically
from ..frames.device_split import Inputs
from .evaluation import Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .loop import Record

__all__ = ["confusion", "curves", "mistakes", "samples"]

_COLUMNS, _ROWS = 8, 6
_MOST_NAMED_CELLS = 20
"""Maximum number of classes for which the cells of a confusion matrix have room for their counts."""


@contextlib.contextmanager
def _own_style() -> Iterator[None]:
    """Draw with matplotlib's defaults, ignoring any ``matplotlibrc``, and class names without math or TeX markup.

    Such a file may be in the current folder, and may run TeX on the names.
    """
    import matplotlib

    with matplotlib.rc_context({**matplotlib.rcParamsDefault, "text.parse_math": False}):
        yield


@_own_style()
def curves(path: Path, history: "Sequence[Record]") -> None:
    """Draw loss, accuracy and learning rate over the epochs."""
    figure = _figure(12, 3.6)
    loss, accuracy, rate = figure.subplots(1, 3)
    epochs = [record["epoch"] for record in history]
    for axes, name in ((loss, "loss"), (accuracy, "accuracy")):
        for split, marker in (("train", "o"), ("validation", "s")):
            values = [record[f"{split}_{name}"] for record in history]
            axes.plot(epochs, values, marker=marker, markersize=3, label=split)
        _label(axes, "epoch", name)
        axes.legend()
    rate.plot(epochs, [record["learning_rate"] for record in history], marker="o", markersize=3, color="tab:green")
    _label(rate, "epoch", "learning rate at the epoch's end")
    for axes in (loss, accuracy, rate):
        axes.xaxis.get_major_locator().set_params(integer=True)
    _save(figure, path)


@_own_style()
def samples(path: Path, inputs: Tensor, labels: Tensor, spec: ModelSpec) -> None:
    """Draw training images float32[B, C, H, W] as the network sees them, with their labels int64[B]."""
    names = [spec.labels[int(label)] for label in labels]
    _grid(path, inputs, spec, names, "Training images as the network sees them")


@_own_style()
def confusion(path: Path, evaluation: Evaluation, names: tuple[str, ...]) -> None:
    """Draw the confusion matrix of the test split; only wrong predictions are coloured."""
    from matplotlib.ticker import MaxNLocator

    counts = evaluation.confusion()
    size = float(np.clip(0.5 * len(names), 5, 20))
    figure = _figure(size + 1.5, size)
    axes = figure.subplots()
    wrong = np.where(np.eye(len(names), dtype=bool), 0, counts)
    picture = axes.imshow(wrong, cmap="Reds", vmin=0, vmax=max(1, wrong.max()))
    figure.colorbar(
        picture, ax=axes, label="images, wrong answers only", fraction=0.046, ticks=MaxNLocator(integer=True)
    )
    if len(names) <= _MOST_NAMED_CELLS:
        dark = wrong.max() / 2
        for row, column in np.argwhere(counts):
            colour = "white" if wrong[row, column] > dark else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_title(f"Test split: {evaluation.accuracy:.2%} of {len(evaluation.labels):,} images are right")
    _label(axes, "found", "label")
    _save(figure, path)


@_own_style()
def mistakes(path: Path, evaluation: Evaluation, test: Inputs, spec: ModelSpec) -> None:
    """Draw the most confident wrong predictions on the test split."""
    rows = evaluation.mistakes(_COLUMNS * _ROWS)
    predicted, names = evaluation.predicted, spec.labels
    titles = [
        f"{names[evaluation.labels[row]]}, found {names[predicted[row]]}\n{evaluation.probabilities[row].max():.1%}"
        for row in rows
    ]
    inputs = next(iter(test.batches([torch.from_numpy(rows)])))[0] if len(rows) else torch.empty(0, *spec.input_shape)
    _grid(
        path,
        inputs,
        spec,
        titles,
        f"The most confident of {int((predicted != evaluation.labels).sum()):,} wrong answers",
    )


def _grid(path: Path, inputs: Tensor, spec: ModelSpec, titles: Sequence[str], heading: str) -> None:
    rows = max(1, -(-len(inputs) // _COLUMNS))
    figure = _figure(1.35 * _COLUMNS, 1.6 * rows + 0.5)
    figure.suptitle(heading)
    cells = figure.subplots(rows, _COLUMNS).ravel()
    for axes in cells:
        axes.set_axis_off()
    for axes, image, title in zip(cells, _pictures(inputs, spec), titles, strict=False):
        axes.imshow(image, cmap="gray", vmin=0, vmax=1)
        axes.set_title(title, fontsize=7)
    _save(figure, path)


def _pictures(inputs: Tensor, spec: ModelSpec) -> NDArray[np.float32]:
    """Undo the normalisation: return float32[B, H, W] or float32[B, H, W, 3], from 0 (black) to 1 (white)."""
    mean, std = (np.array(values, np.float32) for values in (spec.mean, spec.std))
    normalised: NDArray[np.float32] = inputs.detach().cpu().permute(0, 2, 3, 1).numpy()
    images: NDArray[np.float32] = np.clip((normalised * std + mean) / np.float32(255 * spec.scale), 0, 1)
    return images[..., 0] if spec.channels == 1 else images


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _label(axes: "Axes", x: str, y: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _save(figure: "Figure", path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    write_atomically(path, buffer.getvalue())
