"""Run proven image classifiers inside any Python program, without torch.

>>> from lenetx_runtime import Classifier
>>> Classifier("lenet5.onnx").predict("seven.png").label
'7'

Importing this package does not load numpy, Pillow or onnxruntime; opening a model or an image does.
"""

from .classifier import Classifier
from .device import CudaOptions
from .errors import ArtifactError, DeviceUnavailable, EngineMissing, InputError, LenetxError
from .limits import Limits
from .prediction import Prediction
from .selftest import SelfTest, SelfTestResult
from .spec import ModelSpec

__all__ = [
    "ArtifactError",
    "Classifier",
    "CudaOptions",
    "DeviceUnavailable",
    "EngineMissing",
    "InputError",
    "LenetxError",
    "Limits",
    "ModelSpec",
    "Prediction",
    "SelfTest",
    "SelfTestResult",
    "__version__",
]


def __getattr__(name: str) -> str:
    if name == "__version__":
        from importlib import metadata

        return metadata.version("lenetx-runtime")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
