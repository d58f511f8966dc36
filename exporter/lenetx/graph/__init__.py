"""What a network computes, operator by operator, in one canonical form for PyTorch, TorchScript and ONNX.

``expression`` is the form; ``layers``, ``windows``, ``arithmetic`` and ``shapes`` make it; ``tape`` reads it from what
PyTorch did, eager or TorchScript, and ``onnx_graph`` from an ONNX file; ``difference`` says where two of them part.
"""

from .aliases import aliases
from .difference import difference
from .expression import Expression, Unknown, ordered
from .onnx_graph import of_onnx
from .torch_graph import of_tape

__all__ = ["Expression", "Unknown", "aliases", "difference", "of_onnx", "of_tape", "ordered"]
