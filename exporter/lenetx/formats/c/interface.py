"""Write the functions that an application calls, and the header that declares them."""

import re

from lenetx_runtime import ModelSpec
from lenetx_runtime.spec import UNKNOWN

from .framing import framing_declaration, framing_source
from .int8.steps import Quantization
from .int8.words import QUANTIZED_STEPS, quantization
from .text import commentable, quoted, wrapped

__all__ = ["header_text", "interface"]

_STEPS = "    P_run(in, out, (float *)scratch);"
_LOGITS = """\
int P_logits(const float *in, float *out, void *scratch)
{
    int finite = 1;
    if (in == 0 || out == 0 || scratch == 0) {
        return P_ERROR_NULL;
    }
    for (int i = 0; i < P_CHANNELS * P_HEIGHT * P_WIDTH; ++i) {
        finite &= in[i] - in[i] == 0.0f;
    }
    if (!finite) {
        return P_ERROR_NOT_FINITE;
    }
@STEPS@
    return P_OK;
}
"""
_FRAME = """\
/* The input of the network for a frame: each level from a table, and black around the frame. */
static void P_normalise(const uint8_t *frame, @NUMBER@ *in)
{
    for (int c = 0; c < P_CHANNELS; ++c) {
        const @NUMBER@ *level = P_levels + c * 256;
        for (int y = 0; y < P_HEIGHT; ++y) {
            for (int x = 0; x < P_WIDTH; ++x) {
                const int fy = y - @PADDING@, fx = x - @PADDING@;
                const int inside = fy >= 0 && fy < P_FRAME_HEIGHT && fx >= 0 && fx < P_FRAME_WIDTH;
                *in++ = level[inside ? frame[(fy * P_FRAME_WIDTH + fx) * P_FRAME_CHANNELS + c] : 0];
            }
        }
    }
}

int P_predict_frame(const uint8_t *frame, float *logits, void *scratch)
{
    float own[P_CLASSES];
    @NUMBER@ *const memory = (@NUMBER@ *)scratch;
    float *const out = logits == 0 ? own : logits;
    int best = 0;
    if (frame == 0 || scratch == 0) {
        return P_ERROR_NULL;
    }
    P_normalise(frame, memory@INPUT@);
    P_run(@RUN@);
    for (int i = 1; i < P_CLASSES; ++i) {
        best = out[i] > out[best] ? i : best;
    }
    return best;
}
"""
_SELFTEST = """\
int P_selftest(void *scratch)
{
    float logits[P_CLASSES];
    if (scratch == 0) {
        return P_ERROR_NULL;
    }
    for (int n = 0; n < @COUNT@; ++n) {
        P_predict_frame(P_golden_frames + n * P_FRAME_HEIGHT * P_FRAME_WIDTH * P_FRAME_CHANNELS, logits, scratch);
        for (int i = 0; i < P_CLASSES; ++i) {
            const int at = n * P_CLASSES + i;
            if (!(logits[i] >= P_golden_least[at] && logits[i] <= P_golden_most[at])) {
                return P_ERROR_SELFTEST;
            }
        }
    }
    return P_OK;
}
"""
_IMAGE = """\
int P_predict_image(const uint8_t *grey, int width, int height, int stride, float *logits, void *scratch)
{
    uint8_t frame[P_FRAME_HEIGHT * P_FRAME_WIDTH * P_FRAME_CHANNELS];
    int wrong;
    if (scratch == 0) {
        return P_ERROR_NULL;
    }
    wrong = P_frame_image(grey, width, height, stride, frame);
    return wrong != P_OK ? wrong : P_predict_frame(frame, logits, scratch);
}
"""


def interface(
    spec: ModelSpec, name: str, input_at: int, *, with_framing: bool, first: Quantization | None = None
) -> list[str]:
    """Return the definitions of the functions that the header declares.

    Args:
        spec: of the network.
        name: with which every identifier begins.
        input_at: where in the scratch memory the input may lie, in its numbers.
        with_framing: whether pictures of any size are taken, if the spec's framing is offered in C.
        first: how an int8 program quantizes its input; ``None`` for float32.
    """
    quantizing = "" if first is None else f"{quantization(first)}\n"
    text = quantizing + _LOGITS.replace("@STEPS@", _STEPS if first is None else QUANTIZED_STEPS)
    if spec.framing != UNKNOWN:
        text += "\n" + _FRAME
        if spec.selftest is not None:
            text += "\n" + _SELFTEST.replace("@COUNT@", str(len(spec.selftest.logits)))
        if with_framing and (framing := framing_source(spec, name)):
            text += f"\n{framing}\n{_IMAGE}"
    place = f" + {input_at}" if input_at else ""
    number, run = ("float", f"memory{place}, out, memory") if first is None else ("int8_t", "out, scratch")
    text = text.replace("@PADDING@", str(spec.padding)).replace("@INPUT@", place)
    text = text.replace("@NUMBER@", number).replace("@RUN@", run)
    return _named(text, name).splitlines()


def _named(text: str, name: str) -> str:
    """Put the name before identifiers and, in capitals, before macros."""
    text = re.sub(r"\bP_(?=[A-Z])", f"{name.upper()}_", text)
    return re.sub(r"\bP_(?=[a-z])", f"{name}_", text)


def header_text(spec: ModelSpec, stem: str, name: str, scratch: int, *, with_framing: bool) -> str:
    """Return the header: sizes, labels, error codes and functions.

    Args:
        spec: of the network.
        stem: the name of the C file without its suffix.
        name: with which every identifier begins.
        scratch: bytes of scratch memory.
        with_framing: see ``interface``.
    """
    height, width = spec.frame_size
    labels = wrapped((f"{quoted(label)}," for label in spec.labels), "        ")
    macros = [
        ("CHANNELS", spec.channels, "the input of the network: float [CHANNELS][HEIGHT][WIDTH]"),
        ("HEIGHT", spec.height, ""),
        ("WIDTH", spec.width, ""),
        ("CLASSES", len(spec.labels), "its output: float [CLASSES]"),
        ("SCRATCH_BYTES", scratch, "of scratch memory, aligned as float is"),
    ]
    known = spec.framing != UNKNOWN
    if known:
        macros += [
            ("FRAME_HEIGHT", height, "a frame: levels 0 to 255 [FRAME_HEIGHT][FRAME_WIDTH][FRAME_CHANNELS]"),
            ("FRAME_WIDTH", width, ""),
            ("FRAME_CHANNELS", spec.channels, ""),
        ]
    lines = [
        f"/* {stem}.h: see {stem}.c. Written by @PRODUCER@. */",
        "#ifndef P_H",
        "#define P_H",
        "",
        "#include <stdint.h>",
        "",
        *(f"#define P_{macro} {value}{f' /* {words} */' * bool(words)}" for macro, value, words in macros),
        f'#define P_WEIGHTS_SHA256 "{spec.weights_sha256}"',
        "#define P_LABELS \\",
        "    { \\",
        "@LABELS@",
        "    }",
        "",
        "enum {",
        "    P_OK = 0,",
        "    P_ERROR_NULL = -1, /* a pointer is null */",
        "    P_ERROR_SIZE = -2, /* the picture has no pixels, or too many */",
        "    P_ERROR_STRIDE = -3, /* the stride is smaller than the width */",
        "    P_ERROR_EMPTY = -4, /* there is nothing in the picture */",
        "    P_ERROR_SELFTEST = -5, /* a logit is further from PyTorch's than the proof allows */",
        "    P_ERROR_NOT_FINITE = -6 /* an input is NaN or infinite */",
        "};",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        "extern const char *const P_labels[P_CLASSES];",
        "",
        "/* Compute the logits of one input. Returns P_OK or an error. */",
        "int P_logits(const float *in, float *out, void *scratch);",
    ]
    if known:
        lines += [
            "",
            "/* Scale and pad a frame as in training and return the index of its class, or an error (below 0).",
            "   logits may be null. */",
            "int P_predict_frame(const uint8_t *frame, float *logits, void *scratch);",
        ]
        if spec.selftest is not None:
            lines += [
                "",
                "/* Check on this device that known images get the logits of PyTorch. Returns P_OK or an error. */",
                "int P_selftest(void *scratch);",
            ]
        if with_framing and (framing := framing_declaration(spec, name)):
            lines += [
                "",
                *framing.splitlines(),
                "",
                "/* Frame a grey picture of any size and return the index of its class, or an error (below 0).",
                "   The picture and the stack are those of P_frame_image; logits may be null. */",
                "int P_predict_image(",
                "    const uint8_t *grey, int width, int height, int stride, float *logits, void *scratch);",
            ]
    lines += ["", "#ifdef __cplusplus", "}", "#endif", "", "#endif"]
    words = {"@LABELS@": "\n".join(f"{line} \\" for line in labels), "@PRODUCER@": commentable(spec.producer)}
    text = _named("\n".join(lines) + "\n", name)  # before the words of others are in it
    return re.sub("@(LABELS|PRODUCER)@", lambda place: words[place[0]], text)
