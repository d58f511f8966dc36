"""Measure how much of their limits honest programs use, and by how much faulty ones exceed them.

python benchmarks/limits.py [NETWORK …]

Each logit has its own limit (lenetx.bounds). A comparison is one logit of one program against its limit. The exit
code is 1 if any honest program fails the proof.
"""

import os
import sys
import tempfile
import time

import numpy as np
import torch
from _faulty import faulty
from _honest import exported, honest
from _limit_cases import EPOCHS, GAP, SEEDS, cases
from _limit_judge import Answer, Layered, answer, calibrated_limit, layered
from _limit_tables import Ratio, report_faulty, report_honest, report_layers, report_ratios
from _measure import heading

from lenetx import models
from lenetx.bounds import CHANCE, LAMBDA
from lenetx.proof.reference import Probe

NETWORKS = (*models.names(), GAP)


def main() -> None:
    names = sys.argv[1:] or NETWORKS
    if unknown := set(names) - set(NETWORKS):
        raise SystemExit(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(NETWORKS)}.")
    heading(f"The limits of the proof: λ = {LAMBDA:.2f}, a chance of {CHANCE:g} for a false alarm per logit")
    began = time.perf_counter()
    torch.set_num_threads(1)  # enough for networks of this size, and no contention on a busy machine
    good: list[Answer] = []
    bad: list[list[Answer]] = []
    layers: list[Layered] = []
    ratios: list[Ratio] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder  # compile now instead of using an older cache
        os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
        for case in cases(names):
            print(
                f"{time.perf_counter() - began:5.0f} s: {case.network}, seed {case.seed}", file=sys.stderr, flush=True
            )
            probes = list(case.probes())
            files = exported(case.checkpoint)
            ratios += [
                Ratio(case.network, probe.name, probe.limits / calibrated_limit(case, probe)) for probe in probes
            ]
            where = f"seed {case.seed}"
            for program in honest(case.checkpoint, files, case.compiled):
                some = probes if program.rows is None else [first(probe, program.rows) for probe in probes]
                good += [answer(case, program.name, where, program.run, probe) for probe in some]
            layers += layered(case, files, probes)
            bad += [
                [answer(case, kind, f"{place}, {where}", run, probe) for probe in probes]
                for kind, place, run in faulty(case.checkpoint)
            ]
    alarms = report_honest(good)
    report_layers(layers)
    report_faulty(bad)
    report_ratios(ratios, good)
    print(
        f"{len(SEEDS)} seeds, untrained and after {EPOCHS} epochs of digits ({GAP}: untrained), torch on 1 thread "
        f"unless it says otherwise; {time.perf_counter() - began:,.0f} s."
    )
    sys.exit(1 if alarms else 0)


def first(probe: Probe, rows: int) -> Probe:
    return probe.take(np.arange(min(rows, len(probe))), probe.subject)


if __name__ == "__main__":
    main()
