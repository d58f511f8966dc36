"""Find numbers that an engine may round to another integer, since they are near a tie, and what that changes."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..bounds.units import UNIT_ROUNDOFF
from .program import Nudge, Program

if TYPE_CHECKING:
    from torch import Tensor

    from ..graph.tape import Step

__all__ = ["Ties", "changes", "near", "ties_of"]

_TOGETHER = 64
"""Variations whose logits are computed in one batch."""
_MOST = 32
"""Numbers near a tie of one image and quantization that are tried one by one; of more, so many stand for all."""
_SCALING = 8 * UNIT_ROUNDOFF
"""Relative error of a division by a scale, or of the product with a quotient of scales that fused operators use."""


class Ties(NamedTuple):
    """Numbers of one quantization that an engine may round to another integer.

    Attributes:
        rows, positions: int64[F], the image and the position within it.
        deltas: float64[F], what the other integer adds.
    """

    rows: "Tensor"
    positions: "Tensor"
    deltas: "Tensor"


def ties_of(step: "Step", error: "Tensor | None") -> Ties:
    """Return the numbers of a quantization that are near a tie, given the largest errors of its input."""
    import torch

    is_near, other = near(step, error)
    rows, positions = is_near.flatten(1).nonzero(as_tuple=True)
    return Ties(rows, positions, torch.as_tensor(other.flatten(1)[rows, positions] * step.leaves[1]))


def near(step: "Step", error: "Tensor | None") -> "tuple[Tensor, Tensor]":
    """Return bool[N, …], where another integer is possible, and float64[N, …], the step to it: -1, 0 or 1."""
    import torch

    inputs, scale, zero, least, most = step.leaves
    scaled = inputs / scale
    reach = _SCALING * scaled.abs() + (0 if error is None else error / scale)
    nearest = torch.round(scaled)
    side = torch.where(scaled >= nearest, 1.0, -1.0)
    other = (nearest + side + zero).clamp(least, most) - (nearest + zero).clamp(least, most)
    return (0.5 - (scaled - nearest).abs() <= reach) & (other != 0), other


def changes(program: Program, part: "Tensor", logits: "Tensor", ties: "list[Ties]") -> "Tensor":
    """Return by how much the logits change in all if numbers near a tie become the other integer, [N, K]."""
    import torch

    total = torch.zeros_like(logits)
    waiting = list(_variations(ties, len(part)))
    for start in range(0, len(waiting), _TOGETHER):
        some = waiting[start : start + _TOGETHER]
        rows = torch.tensor([each.row for each in some])
        weights = torch.tensor([each.weight for each in some], dtype=logits.dtype)
        program.nudges = _nudges(some)
        try:
            moved = (program(part[rows]) - logits[rows]).abs()
        finally:
            program.nudges = {}
        total.index_add_(0, rows, moved * weights.unsqueeze(1))
    return total


class _Variation(NamedTuple):
    """Some numbers of one image, near a tie, that become the other integer together.

    Attributes:
        row: of the image.
        moved: by the place of a quantization: positions, int64[F], and what is added there, float64[F].
        weight: for how many such variations it stands.
    """

    row: int
    moved: "Mapping[int, tuple[Tensor, Tensor]]"
    weight: float = 1.0


def _variations(ties: "list[Ties]", images: int) -> "Iterator[_Variation]":
    """Yield each number near a tie alone, then all of a quantization and of an image that move up, down, or at all.

    Together they may move a later number over a tie that none does alone, as in an average.
    """
    for row in range(images):
        own: dict[int, tuple[Tensor, Tensor]] = {}
        for place, each in enumerate(ties):
            chosen = each.rows == row
            if chosen.any():
                own[place] = each.positions[chosen], each.deltas[chosen]
        for place, (positions, deltas) in own.items():
            stride = -(-len(positions) // _MOST)
            singles = range(0, len(positions), stride)
            for one in singles:
                moved = {place: (positions[one : one + 1], deltas[one : one + 1])}
                yield _Variation(row, moved, len(positions) / len(singles))
        several = [{place: each} for place, each in own.items() if len(each[0]) > 1]
        for group in [*several, *([own] if len(own) > 1 else [])]:
            yield from _together(row, group)


def _together(row: int, group: "Mapping[int, tuple[Tensor, Tensor]]") -> "Iterator[_Variation]":
    yield _Variation(row, group)
    for sign in (1, -1):
        part = {place: (each[0][each[1] * sign > 0], each[1][each[1] * sign > 0]) for place, each in group.items()}
        if 0 < sum(len(each[0]) for each in part.values()) < sum(len(each[0]) for each in group.values()):
            yield _Variation(row, part)


def _nudges(variations: "list[_Variation]") -> "dict[int, Nudge]":
    """Return what to add to each quantization if every variation is one row of a batch."""
    import torch

    found: dict[int, list[Nudge]] = {}
    for row, each in enumerate(variations):
        for place, (positions, deltas) in each.moved.items():
            found.setdefault(place, []).append((torch.full_like(positions, row), positions, deltas))
    return {place: tuple(map(torch.cat, zip(*parts, strict=True))) for place, parts in found.items()}  # type: ignore[misc]
