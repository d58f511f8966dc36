"""Complete a statement with the preprocessing that a network's library states."""

import dataclasses
from collections.abc import Callable

from ..models import Architecture
from ..models.architecture import Shape
from .statement import Statement

__all__ = ["with_preprocessing"]


def with_preprocessing(
    stated: Statement, network: Architecture, shape: Shape, on_notice: Callable[[str], None]
) -> Statement:
    """Return the statement, completed with the preprocessing that the network's library states, if any.

    If another framing was stated, only the library's mean and std are taken.
    """
    given = None if network.preprocessing is None else network.preprocessing(shape)
    if given is None:
        return stated
    usual = Statement(**given)
    if stated.framing in (None, usual.framing):
        completed = stated.completed(usual)
    else:
        completed = dataclasses.replace(stated, mean=stated.mean or usual.mean, std=stated.std or usual.std)
    if completed != stated:
        words = ", ".join(f"{name} {_shown(value)}" for name, value in given.items() if getattr(stated, name) is None)
        on_notice(f"The preprocessing that {network.title} was trained with is assumed: {words}.")
    return completed


def _shown(value: object) -> str:
    return ",".join(f"{number:.4g}" for number in value) if isinstance(value, tuple) else str(value)
