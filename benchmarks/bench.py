"""Compare the times of ``lenetx bench`` with those of a bare onnxruntime session of the same file, taking turns.

python benchmarks/bench.py [MODEL]
"""

import itertools
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

from _measure import heading, python, spread, table, verdict

from lenetx.benchmark.plan import of_artifact
from lenetx.benchmark.process import Process
from lenetx.benchmark.statistics import median_interval

MODEL = Path(__file__).parents[1] / "artifacts" / "reference" / "lenet5.onnx"
BARE = Path(__file__).with_name("_bare_session.py")
THREADS, BATCHES = (1, 2), (1, 64, 1024)
ROUNDS, SECONDS, LEAST = 31, 0.1, 3
LIMIT = 0.05


def main() -> None:
    model = Path(sys.argv[1]) if sys.argv[1:] else MODEL
    heading("lenetx bench beside a bare session")
    rows = [row for threads in THREADS for row in compare(model, threads)]
    header = ["threads", "images per call", "bare p50, ms", "bench ÷ bare", "95 % of the median", "target", ""]
    table(header, rows)


def compare(model: Path, threads: int) -> list[list[str]]:
    """Return a row for each batch size; the first round does not count."""
    configuration = of_artifact(model, "", [threads])[0]
    command = python(BARE, model, threads)
    pipe = subprocess.PIPE
    found = {batch: ([], []) for batch in BATCHES}
    with Process(configuration) as ours, subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as bare:

        def theirs(batch: int) -> float:
            bare.stdin.write(json.dumps([batch, SECONDS, LEAST]) + "\n")
            bare.stdin.flush()
            return median(json.loads(bare.stdout.readline()))

        ours.ready()
        for number, batch in itertools.product(range(ROUNDS + 1), BATCHES):
            turns = [lambda b: median(ours.ask("time", batch=b, seconds=SECONDS, least=LEAST)), theirs]
            times = [0.0, 0.0]
            for side in (0, 1) if number % 2 else (1, 0):
                times[side] = turns[side](batch)
            if number:
                for side in (0, 1):
                    found[batch][side].append(times[side])
        bare.stdin.close()
    return [row(threads, batch, *both) for batch, both in found.items()]


def row(threads: int, batch: int, ours: list[float], bare: list[float]) -> list[str]:
    ratios = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    low, high = median_interval(ratios)
    decided = (low >= 1 - LIMIT and high <= 1 + LIMIT) or low > 1 + LIMIT or high < 1 - LIMIT
    met = verdict(abs(median(ratios) - 1) <= LIMIT) if decided else "too noisy to tell"
    interval = f"{low:.3f}–{high:.3f}"
    return [str(threads), f"{batch:,}", f"{median(bare) / 1e6:.4f}", spread(ratios, 3), interval, "within 5 %", met]


if __name__ == "__main__":
    main()
