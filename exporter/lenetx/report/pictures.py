"""Images of a report as PNG inside the page."""

import base64
import io
from collections.abc import Mapping
from typing import Any

from .markup import Markup, element

__all__ = ["picture"]


def picture(levels: Mapping[str, Any], words: str) -> Markup:
    """Draw an image pixel by pixel.

    Args:
        levels: "height", "width", "channels" (1 or 3) and "levels", the Base64 of uint8[height, width, channels].
        words: what a reader who sees no picture is told.
    """
    import PIL.Image

    size = levels["width"], levels["height"]
    raw = base64.b64decode(levels["levels"])
    image = PIL.Image.frombytes("L" if levels["channels"] == 1 else "RGB", size, raw)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return element("img", src=f"data:image/png;base64,{encoded}", alt=words, class_="pixels")
