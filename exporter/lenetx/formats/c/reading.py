"""Read a C file, and reject one that lenetx would write differently."""

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError, LenetxError, ModelSpec

from .listing import GRAPH, SPEC, arrays_in, model_of, record_in, with_weights
from .source import SEAL, STEM, Source, identifier, program_of, sealed, written
from .steps import Packing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["read", "rebuilt"]

_PICTURES = "_predict_image("
_INCLUDE = re.compile(r'^#include "([^"\n]+)\.h"$', re.MULTILINE)


def read(text: str) -> Source:
    """Read a C file and check that lenetx writes the same.

    Raises:
        ArtifactError: it was not written by lenetx, or was changed.
    """
    body, found_seal, _ = text.rpartition(SEAL)
    if not found_seal:
        raise ArtifactError("It was not made by lenetx, or it was cut off: it does not end with its digest.")
    if sealed(body) != text:
        raise ArtifactError("It is damaged or was changed after lenetx made it: its digest does not match.")
    include = _INCLUDE.search(text)
    if include is None or not STEM.fullmatch(include[1]):
        raise ArtifactError("It was not made by lenetx: it includes no header of its own.")
    graph, spec = record_in(text, GRAPH), _read_spec(text)
    found = rebuilt(graph, spec, include[1], lambda _: arrays_in(text), size=len(text), with_framing=_PICTURES in text)
    if found.text != text:
        raise ArtifactError(f"It was changed, or written by another version of lenetx: {_difference(found.text, text)}")
    return found


def rebuilt(
    graph: Any,
    spec: ModelSpec,
    stem: str,
    arrays: "Callable[[Mapping[str, Packing | Any]], Mapping[str, NDArray[np.float32]]]",
    *,
    size: int,
    with_framing: bool,
) -> Source:
    """Return the C file of a graph that ``graph_of`` recorded.

    Args:
        graph: the record.
        spec: of the network.
        stem: the name of the file without its suffix.
        arrays: returns the weights' arrays by name, for how each lies in the program.
        size: of the file that holds all numbers, in bytes.
        with_framing: whether the file takes pictures of any size.

    Raises:
        ArtifactError: they are not those of a C file.
    """
    import onnx

    bare = model_of(graph, spec, size)
    try:
        onnx.checker.check_model(bare, full_check=True)  # sizes that do not agree would be read beyond their end
        packings = program_of(bare, spec, identifier(stem)).arrays
        return written(with_weights(bare, packings, arrays(packings)), spec, stem, with_framing=with_framing)
    except InputError as error:
        raise ArtifactError(f"It was not written by lenetx. {error}") from None
    except (LenetxError, MemoryError):
        raise
    except Exception:  # onnx raises several classes for graphs that are none
        raise ArtifactError("It was not written by lenetx: its graph is not a valid one.") from None


def _difference(ours: str, theirs: str) -> str:
    pairs = zip(ours.split("\n"), theirs.split("\n"), strict=False)
    line = next((place for place, (one, other) in enumerate(pairs, 1) if one != other), None)
    return "its length differs." if line is None else f"line {line} differs from what lenetx writes for its graph."


def _read_spec(text: str) -> ModelSpec:
    return ModelSpec.from_json(json.dumps(record_in(text, SPEC), sort_keys=True, separators=(",", ":")))
