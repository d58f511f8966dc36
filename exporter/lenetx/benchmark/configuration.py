"""Define what is timed: one engine in one configuration, and how it travels to the process that runs it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

__all__ = ["EAGER", "EXECUTORCH", "LIBTORCH", "NATIVE", "ONNXRUNTIME", "OPENVINO", "OWN", "Configuration", "in_words"]

EAGER, LIBTORCH, NATIVE, ONNXRUNTIME = "eager torch", "torch", "native", "onnxruntime"
EXECUTORCH, OPENVINO, OWN = "ExecuTorch", "OpenVINO", "own"
"""Kinds of engines. ``OWN`` opens the artifact with its format and takes one of its runs by name."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One engine in one configuration, running one file.

    Attributes:
        name: the artifact's file name; for eager PyTorch, the checkpoint's.
        checkpoint: the path of the checkpoint that its labels are compared with; empty if there is none.
        path: the file that the process opens.
        format: the artifact's format; empty for eager PyTorch.
        precision: ``float32``, ``float16`` or ``int8``.
        size_bytes: size of the file.
        engine: a kind of engine, see above.
        device: ``cpu``, ``cuda``, or an execution provider of onnxruntime.
        threads: number of threads of one call; ``None`` if the engine does not let them be chosen.
        run: for ``OWN``, the name of the run, see ``formats.artifact.Run``.
        batch: the only batch size that the file accepts; ``None`` if it accepts any.
        spec: the JSON text of its spec; empty if the file could not be opened.
        architecture: for eager PyTorch, the network that the user named.
        arguments: for eager PyTorch, the JSON text of the network's arguments.
        accept_code: for eager PyTorch, see ``WeightsOptions``.
    """

    name: str
    checkpoint: str
    path: str
    format: str
    precision: str
    size_bytes: int
    engine: str
    device: str = "cpu"
    threads: int | None = None
    run: str = ""
    batch: int | None = None
    spec: str = ""
    architecture: str | None = None
    arguments: str = "{}"
    accept_code: bool = False

    @property
    def is_eager(self) -> bool:
        """Whether this is the checkpoint in eager PyTorch."""
        return self.engine == EAGER

    @property
    def words(self) -> str:
        """The engine, its device and its threads, in words."""
        if self.engine == OWN:
            return self.run
        parts = [self.engine, self.device if self.device != "cpu" else "", in_words(self.threads)]
        return ", ".join(filter(None, parts))

    def batches(self, asked: tuple[int, ...]) -> tuple[int, ...]:
        """Return the batch sizes that are timed."""
        return asked if self.batch is None else (self.batch,)

    def to_json(self) -> str:
        """Return the JSON text of all fields, on one line."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Configuration":
        """Read the JSON text of ``to_json``."""
        return cls(**json.loads(text))

    def relocated(self, path: Path) -> "Configuration":
        """Return the same configuration with another path of the file."""
        return dataclasses.replace(self, path=str(path))


def in_words(threads: int | None) -> str:
    """Return a number of threads in words; an empty string for ``None``."""
    return "" if threads is None else f"{threads} thread{'s' if threads != 1 else ''}"
