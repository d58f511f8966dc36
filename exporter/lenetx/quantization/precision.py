"""Define ``Precision``: in which precision an artifact computes, and what that may cost."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime.spec import FLOAT16, FLOAT32, INT8

from ..errors import InputError, UnknownName
from .calibration import DEFAULT_IMAGES, DEFAULT_METHOD, sample

if TYPE_CHECKING:
    from lenetx_runtime import ModelSpec

    from ..data import Dataset

__all__ = ["MAX_DROP", "PRECISIONS", "RAW", "Precision", "named_stem", "plain_stem", "require_drop"]

PRECISIONS = {"fp32": FLOAT32, "fp16": FLOAT16, "int8": INT8}
"""Precisions as specs record them, by their short names, which are part of the names of files."""
RAW = "raw"
"""Part of the names of files that take uint8 frames."""
MAX_DROP = {FLOAT16: 0.02, INT8: 0.1}
"""Largest loss of accuracy, in percentage points."""


@dataclass(frozen=True, slots=True)
class Precision:
    """The precision of an artifact's weights and arithmetic; its input and logits are float32 in each.

    Attributes:
        name: ``fp32``, ``fp16`` (weights in float16, in ONNX also arithmetic) or ``int8`` (weights and activations).
        calibration: int8 only: how the ranges of activations are found: ``minmax`` (the default), ``entropy`` or
            ``percentile``, of ``onnxruntime.quantization``.
        calibration_images: int8 only: number of training images for that; 1,000 by default, at least 100.
        max_drop: fp16 and int8: the largest loss of accuracy, in percentage points; by default 0.02 and 0.1.

    Raises:
        UnknownName: there is no such precision.
        InputError: an attribute does not apply to the precision, or is out of range.
    """

    name: str = "fp32"
    calibration: str | None = None
    calibration_images: int | None = None
    max_drop: float | None = None

    def __post_init__(self) -> None:
        if self.name not in PRECISIONS:
            raise UnknownName("precision", self.name, PRECISIONS)
        given = {"calibration": self.calibration, "calibration_images": self.calibration_images}
        for key, value in given.items():
            if value is not None and self.name != "int8":
                raise InputError(f"`{key}` applies only to int8; the precision is {self.name}.")
        if self.max_drop is not None and self.name == "fp32":
            raise InputError("`max_drop` applies only to reduced precision: fp16 or int8.")
        require_drop(self.max_drop)

    @property
    def kind(self) -> str:
        """The precision as a spec records it: ``float32``, ``float16`` or ``int8``."""
        return PRECISIONS[self.name]

    def options(self, dataset: "Dataset | None", missing: str, spec: "ModelSpec") -> Mapping[str, Any]:
        """Return the options of an export in this precision.

        Args:
            dataset: whose training split int8 is calibrated on.
            missing: why there is no data set, for the error.
            spec: by which images become inputs.

        Raises:
            InputError: int8 without a data set, or as ``calibration.sample``.
        """
        if self.kind == FLOAT32:
            return {}
        if self.kind != INT8:
            return {"precision": self.kind}
        if dataset is None:
            raise InputError(f"int8 needs calibration images. {missing}")
        method, images = self.calibration or DEFAULT_METHOD, self.calibration_images or DEFAULT_IMAGES
        return {"precision": self.kind, "sample": sample(dataset, spec, method=method, images=images)}


def require_drop(max_drop: float | None) -> None:
    """Check that a loss of accuracy is a number of percentage points, if one is stated.

    Raises:
        InputError: it is not.
    """
    if max_drop is not None and not 0 <= max_drop <= 100:
        raise InputError(f"The largest loss of accuracy is {max_drop}; it must be 0 to 100 percentage points.")


def named_stem(stem: str, kind: str, *, raw_input: bool = False) -> str:
    """Return the stem of a file name for a precision: ``lenet5.int8`` for ``lenet5``, unchanged for float32.

    A file with raw input is called ``lenet5.raw``.
    """
    short = next(short for short, name in PRECISIONS.items() if name == kind)
    return ".".join([stem, *[short] * (kind != FLOAT32), *[RAW] * raw_input])


def plain_stem(path: Path) -> str:
    """Return the stem of an artifact's file name without its precision and ``raw``: that of its checkpoint."""
    return path.with_suffix("").stem if path.stem.rpartition(".")[2] in (*PRECISIONS, RAW) else path.stem
