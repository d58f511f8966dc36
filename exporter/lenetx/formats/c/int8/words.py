"""The C texts of int8 files that do not depend on the network, and the comments of their steps."""

from ..text import number
from .steps import Affine, Average, Join, MaxPool, Quantization, Step, Table, Total

__all__ = ["INTEGER_HEAD", "QUANTIZED_STEPS", "ROUNDED", "described", "quantization"]

INTEGER_HEAD = (
    "   fast.",
    "",
    "   Weights and activations are int8, sums are int32. A sum becomes an int8 number by a 64-bit product with a",
    "   32-bit factor and a rounding shift. Floats are only in the quantization of a float input and in the logits;",
    "   the function for frames quantizes with a table of 256 numbers.",
)
"""What the first comment says of the arithmetic."""
ROUNDED = """\
/* The int8 number for value / 2^shift, to nearest, ties up, plus its zero point; |value| < 2^62 and 1 <= shift <= 62.
   2^62 is added and taken off again, since a right shift of a negative number is the compiler's choice in C. */
static int8_t P_rounded(int64_t value, int shift, int zero)
{
    const uint64_t middle = (uint64_t)1 << 62;
    const uint64_t moved = middle + (uint64_t)value + ((uint64_t)1 << (shift - 1));
    const int64_t number = (int64_t)(moved >> shift) - (int64_t)(middle >> shift) + zero;
    return (int8_t)(number < -128 ? -128 : number > 127 ? 127 : number);
}
"""
_QUANTIZED = """\
/* The int8 number for an input: in / scale, to nearest, ties to even, plus its zero point. */
static int8_t P_quantized(float in)
{
    const float scaled = in / @SCALE@;
    const float held = scaled < -512.0f ? -512.0f : scaled > 512.0f ? 512.0f : scaled;
    const int whole = (int)held; /* towards 0 */
    const float rest = held - (float)whole;
    int number = whole + @ZERO@;
    if (rest > 0.5f || (rest == 0.5f && whole % 2 != 0)) {
        ++number;
    } else if (rest < -0.5f || (rest == -0.5f && whole % 2 != 0)) {
        --number;
    }
    return (int8_t)(number < -128 ? -128 : number > 127 ? 127 : number);
}
"""
QUANTIZED_STEPS = """\
    int8_t *const image = (int8_t *)scratch@INPUT@;
    for (int i = 0; i < P_CHANNELS * P_HEIGHT * P_WIDTH; ++i) {
        image[i] = P_quantized(in[i]);
    }
    P_run(out, scratch);"""
"""How a float input becomes logits, once it was checked."""


def quantization(first: Quantization) -> str:
    """Return the function that quantizes a number of a float input."""
    return _QUANTIZED.replace("@SCALE@", number(first.scale)).replace("@ZERO@", str(first.zero))


def described(step: Step) -> str:
    """Return what a step computes, in words."""
    shape = "x".join(map(str, step.shape))
    if isinstance(step, Affine):
        outputs, _, rows, columns = step.order.shape
        what = f"{outputs} sums" if step.given[1:] == (1, 1) else f"{rows}x{columns} convolution"
        pool = f", {step.pool[0]}x{step.pool[1]} max pooling" * (step.pool != (1, 1))
        return f"{what}{pool}, to {'float logits' if step.rescale is None else shape}"
    words = {
        Average: "averages",
        Join: "join channels",
        MaxPool: "max pooling",
        Table: "one table",
        Total: "sum",
    }
    return f"{words[type(step)]}, to {shape}"
