"""The arithmetic that steps share, in C: vectors of the GCC and Clang extension, or plain floats of the same names.

A type holds 16, 8 or 4 outputs of a layer, or fewer where registers are narrower; each lane sums its own output in the
order of the plain loops. So all compilers add the same numbers in the same order.
"""

import re

__all__ = ["CLASSES", "helpers", "lanes"]

CLASSES = (16, 8, 4)


def lanes(outputs: int) -> int:
    """Return the widest vector type that this many outputs fill; 1 for plain floats."""
    return next((width for width in CLASSES if outputs >= width), 1)


_WIDTHS = """\
/* Outputs computed at once. Other compilers, and P_SCALAR, take the same loops with one at a time. */
#if defined(P_SCALAR) || !defined(__GNUC__)
#define P_LANES 1
#elif defined(__AVX512F__)
#define P_LANES 16
#elif defined(__AVX__)
#define P_LANES 8
#elif defined(__SSE2__) || defined(__ARM_NEON)
#define P_LANES 4
#else
#define P_LANES 1
#endif
"""
_VECTORS = """\
#define P_N@ (P_LANES < @ ? P_LANES : @)
typedef float P_v@ __attribute__((vector_size(4 * P_N@)));
typedef float P_u@ __attribute__((vector_size(4 * P_N@), aligned(4), may_alias));
typedef int32_t P_m@ __attribute__((vector_size(4 * P_N@)));
"""
_FLOATS = """\
#define P_N@ 1
typedef float P_v@;
"""
_ON_VECTORS = {
    "load": "P_v@ P_load@(const float *from) { return *(const P_u@ *)from; }",
    "store": "void P_store@(float *to, P_v@ v) { *(P_u@ *)to = v; }",
    "all": "P_v@ P_all@(float v) { const P_v@ zero = {0}; return zero + v; }",
    "pick": "P_v@ P_pick@(P_m@ which, P_v@ yes, P_v@ no) { return (P_v@)((which & (P_m@)yes) | (~which & (P_m@)no)); }",
    "max": "P_v@ P_max@(P_v@ a, P_v@ b) { return P_pick@((P_m@)(b > a), b, a); }",
    "min": "P_v@ P_min@(P_v@ a, P_v@ b) { return P_pick@((P_m@)(b < a), b, a); }",
    "relu": "P_v@ P_relu@(P_v@ v) { const P_v@ zero = {0}; return P_max@(v, zero); }",
    "leaky": "P_v@ P_leaky@(P_v@ v, float by) { const P_v@ zero = {0}; return P_pick@((P_m@)(v < zero), v * by, v); }",
}
_ON_FLOATS = {
    "load": "float P_load@(const float *from) { return *from; }",
    "store": "void P_store@(float *to, float v) { *to = v; }",
    "all": "float P_all@(float v) { return v; }",
    "max": "float P_max@(float a, float b) { return b > a ? b : a; }",
    "min": "float P_min@(float a, float b) { return b < a ? b : a; }",
    "relu": "float P_relu@(float v) { return v < 0.0f ? 0.0f : v; }",
    "leaky": "float P_leaky@(float v, float slope) { return v < 0.0f ? v * slope : v; }",
}
_NEXT = """\
/* The start of the next block of this width: the last one ends with the row, and may overlap the one before. */
static inline int P_next(int at, int width, int size)
{
    return at + width < size && at + 2 * width > size ? size - width : at + width;
}
"""
_LEAST = """\
static inline int P_least(int a, int b)
{
    return a < b ? a : b;
}
"""
_MOST = """\
static inline int P_most(int a, int b)
{
    return a > b ? a : b;
}
"""
_NEEDS = {"max": ("pick",), "min": ("pick",), "relu": ("max",), "leaky": ("pick",)}


def helpers(body: str, prefix: str) -> list[str]:
    """Return the definitions that a body uses, and no others: an unused function is a warning."""
    text = ""
    used = [width for width in CLASSES if re.search(rf"\b{prefix}_(v|N){width}\b", body)]
    if used:
        text += _WIDTHS + "#if P_LANES > 1\n"
        text += "".join(_VECTORS.replace("@", str(each)) + _functions(body, prefix, each, _ON_VECTORS) for each in used)
        text += "#else\n"
        text += "".join(_FLOATS.replace("@", str(each)) + _functions(body, prefix, each, _ON_FLOATS) for each in used)
        text += "#endif\n"
    text += _functions(body, prefix, 1, _ON_FLOATS).replace("P_v1", "float")
    for name, definition in (("next", _NEXT), ("least", _LEAST), ("most", _MOST)):
        text += definition * (f"{prefix}_{name}(" in body)
    return text.replace("P_", f"{prefix}_").splitlines()


def _functions(body: str, prefix: str, width: int, definitions: dict[str, str]) -> str:
    """Return the functions of one type that a body calls, and those that they call."""
    used = {name for name in definitions if f"{prefix}_{name}{width}(" in body}
    for name in ("relu", "leaky", "max", "min"):
        if name in used:
            used.update(each for each in _NEEDS[name] if each in definitions)
    return "".join(
        f"static inline {_laid_out(definitions[name].replace('@', str(width)))}\n"
        for name in definitions
        if name in used
    )


def _laid_out(definition: str) -> str:
    head, body = definition.split(" { ", 1)
    lines = body.removesuffix(" }").split("; ")
    inner = "\n".join(f"    {line.rstrip(';')};" for line in lines)
    return f"{head}\n{{\n{inner}\n}}"
