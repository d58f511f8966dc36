"""Analyse a Python file before it runs: the networks it defines, and whether importing it starts a training."""

import ast
import contextlib
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lenetx_runtime.files import read_bytes

from ..errors import InputError
from ..execution.user_code import place_of

__all__ = ["GUARD", "networks_in", "no_training", "trains_on_import"]

GUARD = "'if __name__ == \"__main__\":'"

_LARGEST = 2**22
_LEARNS = "backward"
"""The method that every PyTorch training calls."""


def networks_in(path: Path) -> list[str]:
    """Return the names of a file's classes that look like networks; empty if the file cannot be read."""
    with contextlib.suppress(InputError, SyntaxError, ValueError, RecursionError):
        tree = ast.parse(read_bytes(path, "file of a network", limit=_LARGEST))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        return [each.name for each in classes if any("Module" in ast.unparse(base) for base in each.bases)]
    return []


def trains_on_import(tree: ast.Module) -> int | None:
    """Return the module-level line that trains a network, directly or through the file's functions, or ``None``."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    learning: set[str] = set()
    while more := {name for name, node in functions.items() if _learns(ast.walk(node), learning)} - learning:
        learning |= more
    for node in _at_import(tree.body):
        if _learns([node], learning):
            return getattr(node, "lineno", 1)
    return None


@contextlib.contextmanager
def no_training(name: str) -> Iterator[None]:
    """Stop code that computes gradients while it is imported, wherever ``trains_on_import`` could not see that.

    Args:
        name: the file or module that is imported, for the message.

    Raises:
        InputError: the code trains a network.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func is torch.Tensor.backward:
                raise InputError(
                    f"{name} trains a network when it is imported{place_of(traceback.extract_stack())}: put what is to "
                    f"run only as a script under {GUARD}."
                )
            return func(*args, **(kwargs or {}))

    with Watch():
        yield


def _learns(nodes: Iterable[ast.AST], learning: set[str]) -> bool:
    called = [node.func for node in nodes if isinstance(node, ast.Call)]
    return any(
        (isinstance(each, ast.Attribute) and each.attr == _LEARNS)
        or (isinstance(each, ast.Name) and each.id in learning)
        for each in called
    )


def _at_import(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield the nodes that run on import: none of functions, classes and ``if __name__ == …`` blocks."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            continue
        yield node
        yield from _at_import(ast.iter_child_nodes(node))
