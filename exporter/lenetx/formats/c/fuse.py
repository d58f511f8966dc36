"""Join steps: activations and pooling become part of the step before them, and borders of zeros part of its result."""

from collections import Counter
from collections.abc import Iterator, Sequence

from .convolution import Convolution
from .dense import Dense
from .moving import Copy, View
from .pointwise import Norm, Pointwise, Sum
from .pooling import Pooling
from .steps import Border, Context, Step

__all__ = ["fused", "with_borders"]


def fused(steps: Sequence[Step], output: str) -> list[Step]:
    """Return fewer steps that compute the same; the arguments are changed."""
    readers = Counter([output, *(name for step in steps for name in step.reads)])
    made: dict[str, Step] = {}
    found: list[Step] = []
    for step in steps:
        before = made.get(step.reads[0])
        if before is not None and readers[step.reads[0]] == 1 and _join(before, step):
            before.writes, before.shape = step.writes, step.shape
            made[step.writes] = before
            continue
        made[step.writes] = step
        found.append(step)
    return found


def _join(step: Step, after: Step) -> bool:
    """Make a step compute what follows it; return whether it can."""
    if isinstance(after, Pooling) and isinstance(step, Convolution) and step.may_fuse(after.pool, after.shape):
        step.pool = after.pool
        return True
    if not isinstance(after, Pointwise):
        return False
    added = after.activations
    if isinstance(step, Pointwise):
        step.activations += added
    elif isinstance(step, Sum | Norm):
        step.after += added
    elif not all(each.on_vectors for each in added):
        return False
    elif isinstance(step, Convolution) and step.pool is None:
        step.before += added
    elif isinstance(step, Convolution | Dense):
        step.after += added
    else:
        return False
    return True


def with_borders(steps: Sequence[Step], context: Context, given: str) -> list[Step]:
    """Let padded convolutions read inside borders of zeros; copies are added where no step writes into one.

    Args:
        steps: in order.
        context: ``borders`` is filled.
        given: the tensor that the caller passes.
    """
    plain = {name for step in steps if isinstance(step, View) for name in (*step.reads, step.writes)}
    plain |= {step.writes for step in steps if isinstance(step, Dense)}
    wanted = dict(_wanted(steps))
    context.borders.update({name: border for name, border in wanted.items() if name not in {given, *plain}})
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Convolution) and any(step.pads) and step.reads[0] not in context.borders:
            name = f"{step.reads[0]} inside {'x'.join(map(str, step.pads))}"
            if name not in context.borders:
                shape = next(
                    (each.shape for each in steps if each.writes == step.reads[0]), context.layouts[given].shape
                )
                found.append(Copy(label=step.label, reads=step.reads, writes=name, shape=shape))
                context.borders[name] = step.pads
            step.reads = (name,)
        found.append(step)
    return found


def _wanted(steps: Sequence[Step]) -> Iterator[tuple[str, Border]]:
    largest: dict[str, Border] = {}
    for step in steps:
        if isinstance(step, Convolution) and any(step.pads):
            known = largest.get(step.reads[0], (0, 0, 0, 0))
            top, left, bottom, right = (max(pair) for pair in zip(known, step.pads, strict=True))
            largest[step.reads[0]] = top, left, bottom, right
    yield from largest.items()
