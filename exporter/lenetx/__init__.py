"""Train, export and prove LeNet-class image classifiers.

    checkpoint = lenetx.train(lenetx.TrainConfig(data="digits"))
    lenetx.save(checkpoint, "artifacts/lenet5.pt")
    lenetx.export("artifacts/lenet5.pt", ["onnx", "torchscript"])
    lenetx.verify("artifacts/lenet5.onnx", against="artifacts/lenet5.pt").raise_if_failed()

torch and other dependencies are imported when one of these names is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import classifier, convert, export, load, load_weights, save
    from .benchmark.result import BenchResult
    from .benchmark.run import bench
    from .data import DataOptions
    from .errors import (
        ArtifactError,
        CheckpointError,
        DataError,
        DeviceUnavailable,
        EngineMissing,
        InputError,
        LenetxError,
        OutputError,
        ProofFailed,
    )
    from .proof import Reference
    from .publishing.adopt import adopt
    from .publishing.certificate import certify
    from .publishing.export_all import export_all
    from .publishing.publish import Refusal
    from .publishing.reference import reference
    from .publishing.verify import verify, verify_logits
    from .quantization.precision import Precision
    from .report import Check, Report
    from .training import Augmentation, Progress, TrainConfig, settle, settle_data_options, train
    from .version import __version__
    from .weights.checkpoint import Checkpoint
    from .weights.options import WeightsOptions
    from .weights.statement import Statement

__all__ = [
    "ArtifactError",
    "Augmentation",
    "BenchResult",
    "Check",
    "Checkpoint",
    "CheckpointError",
    "DataError",
    "DataOptions",
    "DeviceUnavailable",
    "EngineMissing",
    "InputError",
    "LenetxError",
    "OutputError",
    "Precision",
    "Progress",
    "ProofFailed",
    "Reference",
    "Refusal",
    "Report",
    "Statement",
    "TrainConfig",
    "WeightsOptions",
    "__version__",
    "adopt",
    "bench",
    "certify",
    "classifier",
    "convert",
    "export",
    "export_all",
    "load",
    "load_weights",
    "reference",
    "save",
    "settle",
    "settle_data_options",
    "train",
    "verify",
    "verify_logits",
]

_HOMES = {
    "api": ("classifier", "convert", "export", "load", "load_weights", "save"),
    "benchmark.result": ("BenchResult",),
    "benchmark.run": ("bench",),
    "publishing.adopt": ("adopt",),
    "publishing.certificate": ("certify",),
    "publishing.export_all": ("export_all",),
    "quantization.precision": ("Precision",),
    "weights.checkpoint": ("Checkpoint",),
    "data": ("DataOptions",),
    "errors": (
        "ArtifactError",
        "CheckpointError",
        "DataError",
        "DeviceUnavailable",
        "EngineMissing",
        "InputError",
        "LenetxError",
        "OutputError",
        "ProofFailed",
    ),
    "training": ("Augmentation", "Progress", "TrainConfig", "settle", "settle_data_options", "train"),
    "publishing.reference": ("reference",),
    "publishing.verify": ("verify", "verify_logits"),
    "publishing.publish": ("Refusal",),
    "report": ("Check", "Report"),
    "weights.options": ("WeightsOptions",),
    "weights.statement": ("Statement",),
    "proof": ("Reference",),
    "version": ("__version__",),
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
