"""The code of a TorchScript archive, matched as a whole against what a network may be made of.

TorchScript can read and write files. So nothing runs but one method, a straight line of calls of the operators below:
no branch, no loop, no attribute, no text but the name of a mode. To read the text as Python does would not be to read
it as libtorch does, so it has a grammar of its own:

    statement   NAME [, NAME…] = value | return value
    value       operator(value, …, NAME=value) | [value, …] | (value, …) | NAME | CONSTANTS.cN | number | "mode"
"""

import re

from .torchscript_flow import only_known_flows

__all__ = ["numbers_of", "unknown_operators"]

_OPERATORS = frozenset(
    f"torch.{name}"
    for name in (
        # layers
        *(
            "_convolution",
            "linear",
            "matmul",
            "addmm",
            "bmm",
            "batch_norm",
            "layer_norm",
            "group_norm",
            "instance_norm",
        ),
        *("max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "dropout", "pixel_shuffle"),
        *("upsample_nearest2d", "upsample_bilinear2d", "scaled_dot_product_attention"),
        # activations
        *("relu", "relu_", "relu6", "relu6_", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "elu", "elu_"),
        *("selu", "selu_", "celu", "celu_", "gelu", "silu", "silu_", "mish", "mish_", "hardswish", "hardswish_"),
        *("hardsigmoid", "hardsigmoid_", "sigmoid", "sigmoid_", "tanh", "tanh_", "softplus", "prelu"),
        *("softmax", "log_softmax", "clamp", "clamp_", "clamp_min", "clamp_max"),
        # arithmetic
        *(
            "add",
            "add_",
            "sub",
            "sub_",
            "mul",
            "mul_",
            "div",
            "div_",
            "neg",
            "abs",
            "exp",
            "log",
            "sqrt",
            "rsqrt",
            "pow",
        ),
        *("mean", "sum", "amax", "amin", "maximum", "minimum", "floor_divide"),
        # shapes
        *("view", "reshape", "flatten", "unflatten", "permute", "transpose", "contiguous", "squeeze", "unsqueeze"),
        *("cat", "stack", "chunk", "split", "select", "slice", "expand", "pad", "constant_pad_nd", "roll", "size", "t"),
        *("reflection_pad2d", "replication_pad2d"),
    )
) | {"ops.prim.NumToTensor", "int"}
_MODES = ("none", "tanh", "constant", "reflect", "replicate", "circular", "floor", "trunc")
_FRAME = re.compile(
    r"""
    class\ \w+\(Module\):\n
    \ \ __parameters__\ =\ \[\]\n
    \ \ __buffers__\ =\ \[\]\n
    \ \ def\ forward\(self:\ [\w.]+,\n
    \ \ \ \ (\w+):\ Tensor\)\ ->\ Tensor:\n
    ((?:\ \ \ \ (?!return\ )[^\s][^\n]*\n)*)
    \ \ \ \ return\ ([^\n]+)\n
    """,
    re.VERBOSE | re.ASCII,
)
_STATEMENT = re.compile(r"    ([A-Za-z_]\w*(?:, [A-Za-z_]\w*)*,?) = (.+)", re.ASCII)
_TOKEN = re.compile(
    r"(?P<number>-?\d+(?:\.\d*)?(?:e[+-]?\d+)?)|"
    rf'(?P<mode>"(?:{"|".join(_MODES)})")|'
    r"(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|"
    r"(?P<sign>[=()\[\]]|,\ ?)",
    re.ASCII,
)
_CONSTANT = re.compile(r"CONSTANTS\.c\d+", re.ASCII)
_DEEPEST = 16

Token = tuple[str, str]


def numbers_of(code: str) -> frozenset[float] | None:
    """Give the fractions in the code of a network, or ``None`` for any other code."""
    frame = _FRAME.fullmatch(code)
    if frame is None:
        return None
    numbers: set[float] = set()
    flow: list[tuple[list[str], list[Token]]] = []
    statements = [_STATEMENT.fullmatch(line) for line in frame[2].split("\n")[:-1]]
    for names, text in [*(statement.groups() if statement else ("", "") for statement in statements), ("", frame[3])]:
        tokens = _tokens(text) if text else None
        if not tokens or _value(tokens, 0, _DEEPEST) != len(tokens):
            return None
        numbers |= {float(text) for kind, text in tokens if kind == "number" and not text.lstrip("-").isdigit()}
        flow.append(([name.strip() for name in names.split(",")], tokens))
    return frozenset(numbers) if only_known_flows(frame[1], flow) else None


def unknown_operators(code: str) -> list[str]:
    """Name the operators in some code that no network of ours may call."""
    return sorted(set(re.findall(r"\b(?:torch|ops)\.[\w.]+(?=\()", code)) - _OPERATORS)


def _tokens(text: str) -> list[Token] | None:
    tokens: list[Token] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None
        tokens.append((str(match.lastgroup), match[0].strip()))
        place = match.end()
    return tokens


def _value(tokens: list[Token], place: int, deeper: int) -> int:
    """Give the place behind the value that begins at ``place``, or −1 where none does."""
    if place >= len(tokens) or not deeper:
        return -1
    kind, text = tokens[place]
    following = tokens[place + 1][1] if place + 1 < len(tokens) else ""
    if kind == "name" and following == "(":
        return _list(tokens, place + 2, ")", deeper) if text in _OPERATORS else -1
    if text in ("(", "["):
        return _list(tokens, place + 1, ")" if text == "(" else "]", deeper)
    plain = kind in ("number", "mode") or (kind == "name" and ("." not in text or _CONSTANT.fullmatch(text)))
    return place + 1 if plain else -1


def _list(tokens: list[Token], place: int, end: str, deeper: int) -> int:
    """Give the place behind ``end``, with values separated by commas before it, each perhaps after ``NAME=``."""
    while place < len(tokens) and tokens[place][1] != end:
        named = place + 1 < len(tokens) and tokens[place][0] == "name" and tokens[place + 1][1] == "="
        place = _value(tokens, place + 2 if named else place, deeper - 1)
        if place < 0 or place >= len(tokens) or tokens[place][1] not in (",", end):
            return -1
        place += tokens[place][1] == ","
    return place + 1 if place < len(tokens) else -1
