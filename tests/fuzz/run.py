"""Change real files at random, in a process of its own that is watched: ``python run.py TARGET RUNS SEED FOLDER``,
or SECONDS with an ``s`` for RUNS.

The example at work lies in FOLDER as ``example``, so that it is there after a crash. One that takes more than 2 s of
processor time, brings the process to more than 1 GiB, or raises an error that is not ours, ends the run.
"""

import faulthandler
import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from corpus import CORPORA
from mutate import mutated, mutated_image
from mutate_model import changed
from mutate_ort import changed as changed_ort
from peak import peak_bytes
from targets import TARGETS


def either(change):
    """Return a function that changes a model's bytes or what they mean."""
    return lambda data, random: change(data, random) if random.random() < 0.7 else mutated(data, random)


MOST_SECONDS = 2.0
MOST_BYTES = 2**30
HANGS = 200.0
"""Seconds on the clock, of which other processes may have taken most."""
MUTATORS = dict.fromkeys(TARGETS, mutated) | {
    "image": mutated_image,
    "model": either(changed),
    "ort": either(changed_ort),
}


def budget(runs):
    """Return something for each of a number of runs, or until a number of seconds is over."""
    if not runs.endswith("s"):
        yield from range(int(runs))
        return
    end = time.monotonic() + float(runs.removesuffix("s"))
    while time.monotonic() < end:
        yield end


def main(target, runs, seed, folder):
    """Run and report."""
    resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    attempt, files = TARGETS[target], list(CORPORA[target]().values())
    source, place, slowest, taken, count = random.Random(seed), Path(folder) / "example", 0.0, 0, 0
    for data in files:
        attempt(data)
    for _ in budget(runs):
        count += 1
        data = MUTATORS[target](source.choice(files), source)
        place.write_bytes(data)
        faulthandler.dump_traceback_later(HANGS, exit=True)
        start = time.process_time()
        taken += bool(attempt(data))
        slowest = max(slowest, time.process_time() - start)
        faulthandler.cancel_dump_traceback_later()
        peak = peak_bytes()
        if slowest > MOST_SECONDS or peak > MOST_BYTES:
            raise SystemExit(f"{place}: {slowest:.2f} s, {peak // 2**20} MiB")
    place.unlink(missing_ok=True)
    sys.stdout.write(f"{count} of {target}: {taken} taken, {slowest:.3f} s at most, {peak // 2**20} MiB\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
