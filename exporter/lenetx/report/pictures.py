"""Embed images in a report as PNG."""

import base64
import io
from collections.abc import Mapping
from typing import Any

from .markup import Markup, element

__all__ = ["picture"]


def picture(levels: Mapping[str, Any], words: str) -> Markup:
    """Return an ``img`` element with the image as embedded PNG.

    Args:
        levels: "height", "width", "channels" (1 or 3) and "levels", the Base64 of uint8[height, width, channels].
        words: the alternative text.
    """
    import PIL.Image

    size = levels["width"], levels["height"]
    raw = base64.b64decode(levels["levels"])
    image = PIL.Image.frombytes("L" if levels["channels"] == 1 else "RGB", size, raw)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return element("img", src=f"data:image/png;base64,{encoded}", alt=words, class_="pixels")
