"""Read what a network computes, operator by operator, into one canonical form for PyTorch, TorchScript and ONNX.

``expression`` defines the form; ``layer_forms``, ``windows``, ``arithmetic`` and ``shapes`` build it; ``tape`` records
a forward pass of PyTorch, eager or TorchScript, and ``torch_graph`` reads it; ``onnx_graph`` reads an ONNX file;
``difference`` describes where two expressions differ.
"""

from .aliases import aliases
from .decisions import CURVES, decisions
from .difference import difference
from .expression import Expression, Unknown, ordered
from .numbers_apart import only_numbers_differ
from .onnx_graph import of_onnx, sizes_in
from .torch_graph import of_tape

__all__ = [
    "CURVES",
    "Expression",
    "Unknown",
    "aliases",
    "decisions",
    "difference",
    "of_onnx",
    "of_tape",
    "only_numbers_differ",
    "ordered",
    "sizes_in",
]
