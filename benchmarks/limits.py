"""Evidence for lenetx/verification/limits.py: how much of the limit honest programs use, and faulty ones exceed.

python benchmarks/limits.py
"""

import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median

import numpy as np
import torch
from _measure import heading, table, verdict
from _programs import Program, faulty, honest, onnx_model
from lenetx.verification.limits import MULTIPLE

import lenetx
from lenetx import Checkpoint, Reference, models
from lenetx.checkpoint import weights_sha256
from lenetx.verification.compare import compare

SEEDS, EPOCHS = range(5), 3
GROUPS = ("random", "constant", "saturated", "real")


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    """One program on one group of inputs.

    Attributes:
        network, program, where: what was compared.
        group: of inputs.
        share: largest error ÷ the limit.
        failed: the verdict of the proof.
        idle: every logit has the bits that eager float32 gives.
    """

    network: str
    program: str
    where: str
    group: str
    share: float
    failed: bool
    idle: bool


def main() -> None:
    heading(f"The limit of the proof: {MULTIPLE} × the largest error of eager float32")
    began = time.perf_counter()
    torch.set_num_threads(1)  # enough for nets of this size, and no waiting for each other on a busy machine
    good: list[Comparison] = []
    bad: list[list[Comparison]] = []
    for network, model, checkpoint in networks():
        reference = lenetx.reference(checkpoint)
        for program, run in honest(checkpoint, model).items():
            good += judge(network, program, f"seed {checkpoint.config['seed']}", run, reference)
        for kind, where, run in faulty(checkpoint):
            bad.append(judge(network, kind, f"{where}, seed {checkpoint.config['seed']}", run, reference))
    report_honest(good)
    report_faulty(bad)
    print(f"{len(SEEDS)} seeds, untrained and after {EPOCHS} epochs of digits, torch on 1 thread; ", end="")
    print(f"{time.perf_counter() - began:.0f} s.")


def networks() -> Iterator[tuple[str, object, Checkpoint]]:
    """Give name, exported ONNX model and checkpoint of every architecture, untrained and trained, by seed."""
    for architecture in models.names():
        model = None
        for seed in SEEDS:
            trained = lenetx.train(lenetx.TrainConfig(architecture=architecture, epochs=EPOCHS, seed=seed))
            model = model or onnx_model(trained)
            yield f"{architecture}, untrained", model, untrained(trained, seed)
            yield f"{architecture}, trained", model, trained


def untrained(trained: Checkpoint, seed: int) -> Checkpoint:
    torch.manual_seed(seed)
    spec = trained.spec
    weights = models.build(spec.architecture, spec.input_shape, len(spec.labels)).state_dict()
    spec = dataclasses.replace(spec, weights_sha256=weights_sha256(weights))
    return dataclasses.replace(trained, state_dict=weights, spec=spec)


def judge(network: str, program: str, where: str, run: Program, reference: Reference) -> list[Comparison]:
    found = []
    for group in GROUPS:
        probe = getattr(reference, group)
        logits = run(probe.inputs)
        check = compare(group, probe, logits)
        assert check.measured is not None, check.detail
        share = check.measured / probe.limit
        idle = np.array_equal(logits, probe.eager)
        found.append(Comparison(network, program, where, group, share, check.status == "failed", idle))
    return found


def report_honest(good: Sequence[Comparison]) -> None:
    print("Honest programs: the largest error in % of the limit, over all seeds.\n")
    table(["network", *GROUPS], [[name, *worst_by_group(some)] for name, some in groups(good, by_network)])
    rows = []
    for name, some in groups(good, by_program):
        shares = [one.share for one in some]
        rows.append([name, f"{max(shares):.1%}", f"{median(shares):.1%}", *worst_by_group(some)])
    table(["program", "largest", "median", *GROUPS], rows)
    alarms = [one for one in good if one.failed]
    print(f"{len(good):,} comparisons, {len(alarms)} false alarms (target 0: {verdict(not alarms)}). The largest:")
    for one in sorted(good, key=lambda one: -one.share)[:5]:
        print(f"- {one.share:.1%}: {one.program}, {one.network}, {one.where}, {one.group} inputs")
    print()


def report_faulty(bad: Sequence[Sequence[Comparison]]) -> None:
    print(
        "Faulty programs, by the group of inputs that shows them best. Idle: no logit changed, such as by the bias of a"
    )
    print(
        "unit that is off on all inputs; only the bitwise comparison of the weights, which is not used here, sees it.\n"
    )
    worst = [max(some, key=lambda one: one.share) for some in bad if not all(one.idle for one in some)]
    idle = [some[0] for some in bad if all(one.idle for one in some)]
    rows = []
    for name, some in groups(worst, by_program):
        multiples = [one.share for one in some]
        caught = f"{sum(one.failed for one in some)} of {len(some)}"
        unseen = str(sum(one.program == name for one in idle))
        rows.append([name, f"{min(multiples):,.2f}", f"{median(multiples):,.1f}", caught, unseen])
    table(["fault", "smallest × limit", "median × limit", "caught", "idle"], rows)
    missed = [one for one in worst if not one.failed]
    print(f"{len(worst)} faults that change a logit, {len(missed)} missed (target 0: {verdict(not missed)}).")
    for one in [*sorted(missed, key=lambda one: one.share), *idle]:
        print(
            f"- {'idle' if one in idle else f'{one.share:.2f} × the limit'}: {one.program}, {one.where}, {one.network}"
        )
    print()


def worst_by_group(some: Iterable[Comparison]) -> list[str]:
    return [f"{max(one.share for one in some if one.group == group):.1%}" for group in GROUPS]


def groups(some: Iterable[Comparison], key: Callable[[Comparison], str]) -> Iterator[tuple[str, list[Comparison]]]:
    found: dict[str, list[Comparison]] = {}
    for one in some:
        found.setdefault(key(one), []).append(one)
    yield from found.items()


def by_network(one: Comparison) -> str:
    return one.network


def by_program(one: Comparison) -> str:
    return one.program


if __name__ == "__main__":
    main()
