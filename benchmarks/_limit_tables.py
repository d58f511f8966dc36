"""Print tables of the shares of the limits that programs use."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from _limit_judge import Answer, Layered
from _measure import table, verdict
from numpy.typing import NDArray

from lenetx.proof.inputs import EXTREME

__all__ = ["Ratio", "report_faulty", "report_honest", "report_layers", "report_ratios"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ratio:
    """The adjoint limits of a group's logits ÷ the group's self-calibrated limit, float64[N, K]."""

    network: str
    group: str
    values: NDArray[np.float64]


def report_honest(good: Sequence[Answer]) -> int:
    """Print the shares that honest programs use and return the number of false alarms."""
    print("### Honest programs: error in % of the logit's limit, largest / median\n")
    for words, key in (("program", by_program), ("network", by_network)):
        names = list(dict.fromkeys(one.group for one in good))
        rows = [
            [
                name,
                f"{count(some):,}",
                usage(some),
                *(usage(one for one in some if one.group == each) for each in names),
            ]
            for name, some in groups(good, key)
        ]
        table([words, "comparisons", "all", *names], rows)
    failed = [one for one in good if one.failed]
    alarms = sum(int((~(one.shares <= 1)).sum()) for one in failed)
    print(
        f"{count(good):,} comparisons, {alarms:,} false alarms, in {len(failed):,} of {len(good):,} groups "
        f"(target 0: {verdict(not failed)}).\nThe largest:"
    )
    worst = {(one.program, one.network, one.group): one for one in sorted(good, key=largest)}
    for one in sorted(worst.values(), key=largest, reverse=True)[:10]:
        print(f"- {largest(one):.1%}: {one.program}, {one.network}, {one.where}, {one.group}")
    print()
    return max(alarms, len(failed))


def report_layers(layers: Sequence[Layered]) -> None:
    """Print the share of its bound that each layer uses, and how many units TF32 breaks."""
    print("### Layer by layer: largest error in % of the bound γₙ₊₁·S, and units that TF32 breaks, by network\n")
    for name, some in groups((one for one in layers if one.program != "TF32"), lambda one: one.program):
        parts = dict(groups(some, lambda one: one.layer.name))
        worst = ", ".join(f"{part} {max(one.layer.share for one in each):.1%}" for part, each in parts.items())
        units, broken = (sum(getattr(one.layer, field) for one in some) for field in ("units", "broken"))
        print(f"- {name}: {worst}; {broken:,} of {units:,} units beyond the bound (target 0: {verdict(not broken)}).")
    print()
    names = list(dict.fromkeys(one.layer.name for one in layers))
    rows = []
    for network, some in groups((one for one in layers if one.program == "TF32"), by_network):
        parts = dict(groups(some, lambda one: one.layer.name))
        shares = [f"{broken_share(parts[name]):.1%}" if name in parts else "" for name in names]
        rows.append([network, *shares])
    table(["TF32", *names], rows)


def broken_share(some: Sequence[Layered]) -> float:
    return sum(one.layer.broken for one in some) / sum(one.layer.units for one in some)


def report_faulty(bad: Sequence[Sequence[Answer]]) -> None:
    """Print by how much faulty programs exceed the limits, and which ones do not."""
    print("### Faulty programs: largest multiple of a limit, over all inputs but large ones\n")
    rows = []
    for name, some in groups(bad, lambda answers: answers[0].program):
        moved = [answers for answers in some if not is_idle(answers)]
        multiples, others = zip(*map(multiple, moved), strict=True)
        caught = f"{sum(map(is_caught, moved))} of {len(moved)}"
        other = f"{sum(each > 1 for each in others)} of {len(moved)}"
        broken = np.median([np.mean(np.concatenate([one.shares for one in each]) > 1) for each in moved])
        figures = f"{min(multiples):,.2f}", f"{np.median(multiples):,.1f}", f"{broken:.0%}"
        rows.append([name, *figures, caught, other, f"{np.median(others):,.1f}", str(len(some) - len(moved))])
    header = ["fault", "smallest × limit", "median", "logits beyond, median", "caught"]
    table([*header, "caught by the self-calibrated limit", "median × that", "idle"], rows)
    idle = [answers for answers in bad if is_idle(answers)]
    missed = [answers for answers in bad if not is_idle(answers) and not is_caught(answers)]
    print(
        f"{len(bad) - len(idle):,} faults that change a logit, {len(missed):,} not seen in the logits, which they "
        f"change by less than honest rounding may; {len(idle):,} idle: they change no logit, as the bias of a unit "
        "that is off on all inputs does. The proof finds faults of weights in the file as well, where it compares them "
        "bit for bit, which is not used here; those of an engine's arithmetic show in nothing but logits."
    )
    for answers in sorted(missed, key=lambda answers: multiple(answers)[0]):
        print(f"- {multiple(answers)[0]:.3f} × the limit: {described(answers[0])}")
    for answers in idle:
        print(f"- idle: {described(answers[0])}")
    print()


def report_ratios(ratios: Sequence[Ratio], good: Sequence[Answer]) -> None:
    """Print which of the two limits is tighter."""
    print("### The two limits: adjoint ÷ self-calibrated (one for the whole group), median over logits\n")
    names = list(dict.fromkeys(one.group for one in ratios))
    rows = []
    for network, some in [*groups(ratios, by_network), ("all", list(ratios))]:
        cells = [[one.values.ravel() for one in some if one.group == name] for name in names]
        rows.append([network, *(f"{np.median(np.concatenate(cell)):.3g}" for cell in cells)])
    table(["network", *names], rows)
    rows = []
    for name, some in groups(good, by_program):
        by_either = [np.concatenate([getattr(one, field) for one in some]) for field in ("shares", "calibrated")]
        beyond = int((by_either[1] > 1).sum())
        rows.append([name, *(f"{each.max():.1%} / {np.median(each):.2%}" for each in by_either), f"{beyond:,}"])
    table(["program", "of the adjoint limit", "of the self-calibrated", "false alarms of that"], rows)


def described(one: Answer) -> str:
    return f"{one.program}, {one.where}, {one.network}"


def is_idle(answers: Sequence[Answer]) -> bool:
    return all(one.idle for one in answers)


def is_caught(answers: Sequence[Answer]) -> bool:
    return any(one.failed for one in answers)


def multiple(answers: Sequence[Answer]) -> tuple[float, float]:
    """Return the largest multiple of the adjoint and of the self-calibrated limit."""
    usual = [one for one in answers if one.group != EXTREME]  # float16 overflows there: infinite in any comparison
    return max(map(largest, usual)), max(float(one.calibrated.max(initial=0)) for one in usual)


def largest(one: Answer) -> float:
    return float(one.shares.max(initial=0))


def count(some: Iterable[Answer]) -> int:
    return sum(one.shares.size for one in some)


def usage(some: Iterable[Answer]) -> str:
    shares = np.concatenate([one.shares for one in some])
    return f"{shares.max():.1%} / {np.median(shares):.2%}"


def groups(some: Iterable[T], key: Callable[[T], str]) -> Iterator[tuple[str, list[T]]]:
    found: dict[str, list[T]] = {}
    for one in some:
        found.setdefault(key(one), []).append(one)
    yield from found.items()


def by_network(one: Answer | Layered | Ratio) -> str:
    return one.network


def by_program(one: Answer) -> str:
    return one.program
