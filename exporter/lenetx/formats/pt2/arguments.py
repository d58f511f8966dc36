"""Write the arguments of an operator as ``torch.export`` does, and read them."""

import math
from typing import Any

from .program import Choice, Count, Name

__all__ = ["COUNT", "CPU", "argument", "read_argument", "tensor", "text", "whole"]

COUNT = "sym_size_int"
"""The name of the number of images."""
CPU = {"type": "cpu", "index": None}
_NOT_FINITE = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}


def tensor(name: str) -> dict[str, Any]:
    """Return a reference to a value."""
    return {"as_tensor": {"name": name}}


def argument(value: Any) -> dict[str, Any]:
    """Return the document of an argument.

    Raises:
        ValueError: it is a list of different things.
    """
    if isinstance(value, Name):
        return tensor(value.text)
    if isinstance(value, Choice):
        return {"as_device": CPU} if value.kind == "device" else {f"as_{value.kind}": value.number}
    if type(value) is tuple:
        return _list(value)
    if isinstance(value, float):
        return {"as_float": _number(value)}
    kind = {bool: "as_bool", int: "as_int", str: "as_string"}.get(type(value), "as_none")
    return {kind: True if value is None else value}


def _number(value: float) -> float | str:
    return (
        value if math.isfinite(value) else next(text for text, each in _NOT_FINITE.items() if str(each) == str(value))
    )


def _list(values: tuple[Any, ...]) -> dict[str, Any]:
    kinds = {type(each) for each in values}
    if Count in kinds and kinds <= {Count, int}:
        return {"as_sym_ints": [{"as_name": COUNT} if isinstance(each, Count) else {"as_int": each} for each in values]}
    if kinds == {Name}:
        return {"as_tensors": [{"name": each.text} for each in values]}
    if kinds <= {Name, type(None)} and kinds:
        return {"as_optional_tensors": [{"as_none": True} if each is None else tensor(each.text) for each in values]}
    if kinds == {float}:
        return {"as_floats": list(map(_number, values))}
    if len(kinds) > 1 or not kinds <= {int, bool}:
        raise ValueError("it has a list of different things")
    return {"as_bools" if bool in kinds else "as_ints": list(values)}


def read_argument(found: Any) -> Any:
    """Return the argument of a document.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not one that ``argument`` writes.
    """
    ((kind, value),) = found.items()
    if kind == "as_tensor":
        return Name(text(value["name"]))
    if kind in ("as_scalar_type", "as_memory_format", "as_device"):
        return Choice(kind.removeprefix("as_"), 0 if kind == "as_device" else whole(value))
    if kind == "as_none":
        return None
    if isinstance(value, list):
        return tuple(_read_part(kind, each) for each in value)
    return _read_number(value) if kind == "as_float" else _plain(value)


def _read_part(kind: str, found: Any) -> Any:
    if kind == "as_tensors":
        return Name(text(found["name"]))
    if kind == "as_optional_tensors":
        return None if "as_none" in found else Name(text(found["as_tensor"]["name"]))
    if kind == "as_sym_ints":
        return Count(1) if "as_name" in found else whole(found["as_int"])
    return _read_number(found) if kind == "as_floats" else _plain(found)


def _read_number(found: Any) -> float:
    return _NOT_FINITE[found] if isinstance(found, str) else float(found)


def _plain(found: Any) -> bool | int | str:
    if type(found) is int:
        return whole(found)
    if type(found) not in (bool, str):
        raise TypeError("no plain value")
    return bool(found) if isinstance(found, bool) else str(found)


def whole(found: Any) -> int:
    """Return a whole number; raise TypeError for anything else."""
    if type(found) is not int or not -(2**63) <= found < 2**63:
        raise TypeError("no whole number")
    return found


def text(found: Any) -> str:
    """Return a text; raise TypeError for anything else."""
    if type(found) is not str:
        raise TypeError("no text")
    return found
