"""Write the C function that turns a grey picture of any size into a frame, with the bits of the runtime."""

import re
from importlib import resources

from lenetx_runtime import ModelSpec

__all__ = ["framing_declaration", "framing_source"]

_FILES = {
    "mnist": ("picture", "ink", "edges", "strays", "parts", "FILTER", "resize", "round", "mnist"),
    "stretch": ("picture", "whole", "FILTER", "resize", "fill"),
    "letterbox": ("picture", "whole", "FILTER", "resize", "round", "fill"),
}
_BOX, _TILE = 20, 32
_LARGEST = """\
#ifndef F_MOST_PIXELS
#define F_MOST_PIXELS 32767 /* of a side of a picture; fewer than 300 save memory */
#endif"""
_REACHES = {"lanczos": 3.0, "bilinear": 1.0, "bicubic": 2.0}
_GAPS = {"lanczos": 128, "bilinear": 4096, "bicubic": 4096}
_FIT = """\
    if ((double)height * @WIDTH@ >= (double)width * @HEIGHT@) {
        inner_width = F_most(1, F_rounded((double)width * @HEIGHT@ / height));
    } else {
        inner_height = F_most(1, F_rounded((double)height * @WIDTH@ / width));
    }
    left = (@WIDTH@ - inner_width) / 2;
    top = (@HEIGHT@ - inner_height) / 2;"""
_WORDS = {
    "mnist": """its ink, darker or lighter than the border, is put into a box of
   20 x 20, centred by mass. Edges, specks and an outline around the digit are removed. For a clean drawing or scan
   the frame is that of lenetx_runtime, bit for bit. It leaves out photos, with noise or uneven light, sheets on a
   table, and the lines of ruled paper and forms: for these its frame is another one, and may not show the digit.""",
    "stretch": "it is resized, as lenetx_runtime does it, bit for bit.",
    "letterbox": "it is resized and centred on black, as lenetx_runtime does it, bit for bit.",
}
_STACKS = {
    "mnist": """21 KiB of stack;
   10 KiB if it is compiled with -DNAME_FRAME_MOST_PIXELS=96, for pictures of at most 96 x 96""",
    "stretch": "10 KiB of stack",
    "letterbox": "10 KiB of stack",
}
_CLEAR = """\
    for (int i = 0; i < P_FRAME_HEIGHT * P_FRAME_WIDTH * P_FRAME_CHANNELS; ++i) {
        frame[i] = 0;
    }"""


def framing_source(spec: ModelSpec, name: str) -> str | None:
    """Return the C of ``NAME_frame_image`` and its helpers, or ``None`` for a framing that is not offered in C.

    It needs ``<stdint.h>`` and ``<stddef.h>``, and from the header ``NAME_FRAME_HEIGHT``, ``NAME_FRAME_WIDTH``,
    ``NAME_FRAME_CHANNELS`` and the error codes. Its own identifiers begin with ``NAME_frame_``.

    Args:
        spec: defines the framing.
        name: with which every identifier begins; in capitals for macros.
    """
    if spec.framing not in _FILES:
        return None
    folder = resources.files(__package__) / "templates"
    names = (spec.interpolation if file == "FILTER" else file for file in _FILES[spec.framing])
    text = "\n".join([_constants(spec), *((folder / f"{file}.c").read_text("ascii") for file in names)])
    if spec.framing != "mnist":
        text = _filled(text, spec)
    text = re.sub(r"\b([FP])_(?=[A-Z])", lambda found: f"{name.upper()}_{'FRAME_' * (found[1] == 'F')}", text)
    return re.sub(r"\b([FP])_(?=[a-z])", lambda found: f"{name}_{'frame_' * (found[1] == 'F')}", text)


def framing_declaration(spec: ModelSpec, name: str) -> str | None:
    """Return what the header says of ``NAME_frame_image``, or ``None`` for a framing that is not offered in C."""
    if spec.framing not in _WORDS:
        return None
    stack = _STACKS[spec.framing].replace("NAME", name.upper())
    return f"""\
/* Turn a grey picture into a frame: {_WORDS[spec.framing]}
   stride: bytes from one row to the next. Needs no scratch memory, but {stack}.
   Returns {name.upper()}_OK or an error. */
int {name}_frame_image(const uint8_t *grey, int width, int height, int stride, uint8_t *frame);
"""


def _constants(spec: ModelSpec) -> str:
    tile = _BOX if spec.framing == "mnist" else min(_TILE, max(_target(spec)))
    macros = [
        ("TILE", tile, "pixels of a side of what is resized at a time"),
        (
            "ROWS",
            128 if spec.framing == "mnist" else 64,
            "of the picture that are resized in one direction before the other",
        ),
        ("REACH", _REACHES[spec.interpolation], f"of Pillow's {spec.interpolation} filter"),
        ("GAP", f"{_GAPS[spec.interpolation]}.0", "a side that shrinks by twice as much or more is averaged before"),
    ]
    lines = [f"#define F_{macro} {value} /* {words} */" for macro, value, words in macros]
    return "\n".join([_LARGEST, *lines, ""])


def _target(spec: ModelSpec) -> tuple[int, int]:
    """Return the (height, width) to which a picture is resized."""
    return spec.frame_size if spec.resize is None else (spec.resize, spec.resize)


def _filled(text: str, spec: ModelSpec) -> str:
    """Fill in the places of ``fill.c``."""
    (height, width), (rows, columns) = _target(spec), spec.frame_size
    top, left = round((height - rows) / 2), round((width - columns) / 2)
    is_fitted = spec.framing == "letterbox"
    places = {
        "FIT": _FIT if is_fitted else "",
        "CLEAR": _CLEAR if is_fitted else "",
        "ROWS": "inner_height" if is_fitted else "P_FRAME_HEIGHT",
        "COLUMNS": "inner_width" if is_fitted else "P_FRAME_WIDTH",
        "SKIP_X": f" + {left}" if left else "",
        "SKIP_Y": f" + {top}" if top else "",
        "WIDTH": str(width),
        "HEIGHT": str(height),
    }
    for place, words in places.items():
        text = text.replace(f"@{place}@\n" if not words and place in ("FIT", "CLEAR") else f"@{place}@", words)
    return text
