"""Run IR with OpenVINO's CPU plugin in float32."""

import sys
import threading
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, DeviceUnavailable, EngineMissing, ModelSpec
from lenetx_runtime.ort_session import one_line

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["OpenvinoBackend", "import_engine", "read_model"]

_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "EXECUTION_MODE_HINT": "ACCURACY", "NUM_STREAMS": 1}
"""By default some CPUs would compute in bfloat16 or float16."""
_REMEDY = "run 'pip install openvino'."
_TELEMETRY = "openvino_telemetry"
_importing = threading.Lock()


def import_engine() -> Any:
    """Import and return openvino, without its telemetry: what would send it is kept from being imported.

    Raises:
        EngineMissing: it is not installed, or broken.
    """
    with _importing:
        is_imported = _TELEMETRY in sys.modules or "openvino" in sys.modules
        if not is_imported:
            sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # the import system's word for "there is none"
        try:
            import openvino
        except ModuleNotFoundError as error:
            if error.name != "openvino":
                raise EngineMissing(f"OpenVINO is installed but lacks {error.name}: {_REMEDY}") from None
            raise EngineMissing(f"OpenVINO is not installed: {_REMEDY}") from None
        except ImportError as error:
            raise EngineMissing(f"OpenVINO is installed but cannot be imported: {one_line(error)}. {_REMEDY}") from None
        finally:
            if not is_imported:
                del sys.modules[_TELEMETRY]
    return openvino


def read_model(xml: bytes, numbers: bytes) -> Any:
    """Return OpenVINO's model of an IR that we wrote.

    Raises:
        EngineMissing: OpenVINO is not installed.
        ArtifactError: it cannot read the model.
    """
    import numpy as np

    openvino = import_engine()
    held = openvino.Tensor(np.frombuffer(bytearray(numbers), np.uint8))
    try:
        return openvino.Core().read_model(xml, held)
    except Exception as error:  # openvino raises several classes
        raise ArtifactError(f"OpenVINO cannot read the model: {one_line(error)}") from None


class OpenvinoBackend:
    """Run a model on the CPU in float32.

    Args:
        model: as ``read_model`` returns it.
        device: ``cpu``; nothing else is offered.
        threads: number of threads; OpenVINO's own choice if omitted.

    Raises:
        DeviceUnavailable: another device was requested.
        ArtifactError: OpenVINO cannot compile the model.
    """

    device = "cpu"

    def __init__(self, model: Any, device: str = "cpu", threads: int | None = None) -> None:
        if device != "cpu":
            raise DeviceUnavailable(f"{device} was requested; OpenVINO runs on the CPU here.")
        settings = _SETTINGS if threads is None else {**_SETTINGS, "INFERENCE_NUM_THREADS": threads}
        try:
            self._compiled = import_engine().Core().compile_model(model, "CPU", settings)
        except Exception as error:  # openvino raises several classes
            raise ArtifactError(f"OpenVINO cannot open the model: {one_line(error)}") from None
        self._requests = threading.local()

    @classmethod
    def of(
        cls, xml: bytes, numbers: bytes, spec: ModelSpec, device: str = "cpu", threads: int | None = None
    ) -> "OpenvinoBackend":
        """Return the backend for an IR after checking its input and output against its spec."""
        model = read_model(xml, numbers)
        found = [next(iter(sorted(value.get_names())), "") for value in (*model.inputs, *model.outputs)]
        if found != [spec.input_name, spec.output_name]:
            raise ArtifactError(f"Its spec says {[spec.input_name, spec.output_name]}, its graph has {found}.")
        return cls(model, device, threads)

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W].

        Raises:
            ArtifactError: OpenVINO cannot run the model on this batch.
        """
        return self.outputs(batch)[0]

    def outputs(self, batch: "NDArray[np.float32]") -> "list[NDArray[np.float32]]":
        """Return all outputs of the model; arguments and errors are those of ``run``."""
        import numpy as np

        try:
            if not hasattr(self._requests, "own"):  # a request serves one thread at a time
                self._requests.own = self._compiled.create_infer_request()
            request = self._requests.own
            request.infer([np.ascontiguousarray(batch)], share_inputs=True)
            return [tensor.data.copy() for tensor in request.output_tensors]
        except Exception as error:  # openvino raises several classes
            raise ArtifactError(f"OpenVINO cannot run the model on {batch.shape}: {one_line(error)}") from None
