"""Decode, frame and normalise images: the only code for it in the project; training uses it too.

image → ``decode`` → uint8[H, W] or uint8[H, W, 3] → ``frame`` → the same of the frame's size
→ ``normalise`` → float32[N, C, H, W], unless the model normalises frames itself (``ModelSpec.raw_input``)
"""

from .decode import Image, decode
from .framing import frame, frame_batch, require_known
from .normalise import Normaliser, input_of, lookup_table, normalise, planes, preparing

__all__ = [
    "Image",
    "Normaliser",
    "decode",
    "frame",
    "frame_batch",
    "input_of",
    "lookup_table",
    "normalise",
    "planes",
    "preparing",
    "require_known",
]
