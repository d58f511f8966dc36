"""Kill trainings with SIGKILL, resume them, and compare the weights with those of an uninterrupted training.

python tools/kill_and_resume.py [--kills 20] [--seed 0] -- [options of lenetx train]

Every second kill comes as soon as the partial file of a state appears on the disk. The others come at random moments,
just after the process has dumped its stack, so that the phase is known. It exits with 1 if a single bit differs.
"""

import argparse
import collections
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHILD = """
import faulthandler, signal, sys
faulthandler.register(signal.SIGUSR1, file=open(sys.argv.pop(1), "a"), all_threads=False)
from lenetx_cli.__main__ import main
main()
"""
PHASES = {
    "write_atomically": "writing a file",
    "pack": "packing a state",
    "state_dict": "collecting a state",
    "evaluate": "evaluating a split",
    "step": "a step",
    "to_device": "preparing the data",
    "load": "reading the data or a state",
}
"""Phase names by the innermost lenetx function that the process was in."""

DEFAULT = ["--epochs", "3", "--ema", "0.9", "--rotate", "5", "--elastic", "1", "--optimizer", "adamw"]
PATIENCE = 240


def main() -> int:
    """Run the comparison, print the phases that were hit, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("options", nargs="*", help="of lenetx train")
    given = parser.parse_args()
    options = given.options or DEFAULT
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        alone, killed = Path(folder, "alone"), Path(folder, "killed")
        alone.mkdir()
        killed.mkdir()
        took = finish(alone, options)
        phases, runs = kill_until_done(killed, options, given.kills, chance)
        same = digest(alone) == digest(killed)
        leftovers = sorted(path.name for path in killed.iterdir() if path.suffix in (".part", ".resume"))
    print(f"{runs} processes, {sum(phases.values())} of them killed (alone it took {took:.0f} s), while they were at:")
    for phase, count in phases.most_common():
        print(f"  {count:3d}  {phase}")
    print("The weights are the same bit for bit." if same else "THE WEIGHTS DIFFER.")
    if leftovers:
        print(f"LEFT BEHIND: {', '.join(leftovers)}")
    return 0 if same and not leftovers else 1


def finish(folder: Path, options: list[str]) -> float:
    """Run a training to the end and return its seconds."""
    began = time.monotonic()
    process = start(folder, options)
    if process.wait(PATIENCE):
        raise SystemExit("The run that was left alone failed.")
    return time.monotonic() - began


def kill_until_done(
    folder: Path, options: list[str], kills: int, chance: random.Random
) -> tuple["collections.Counter[str]", int]:
    """Start, kill and resume until ``kills`` processes were killed or the training is done; then let it finish."""
    phases: collections.Counter[str] = collections.Counter()
    for run in range(kills):
        resume = ["--resume"] if (folder / "net.resume").exists() else options
        process = start(folder, resume)
        aimed = run % 2 == 1
        wait_for_work(folder, process)
        if aimed:
            wait_for_writing(folder, process)
        else:
            time.sleep(chance.random() * 1.5)
        if process.poll() is not None:
            if process.returncode:
                raise SystemExit("A run that should have gone on failed.")
            return phases, run + 1
        phases[kill(folder, process, ask=not aimed)] += 1
    if not (folder / "net.pt").exists() or (folder / "net.resume").exists():
        finish(folder, ["--resume"] if (folder / "net.resume").exists() else options)
    return phases, kills + 1


def start(folder: Path, options: list[str]) -> "subprocess.Popen[bytes]":
    """Start a training that saves its state after every step."""
    where = folder / "where.txt"
    files = ["-o", str(folder / "net.pt"), "--quiet"]
    return subprocess.Popen([sys.executable, "-c", CHILD, str(where), "train", *options, *files, "--save-every", "0"])


def wait_for_work(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until this process has written a state."""
    state, began = folder / "net.resume", time.time()
    while process.poll() is None and time.time() < began + PATIENCE:
        if state.exists() and state.stat().st_mtime > began:
            return
        time.sleep(0.005)


def wait_for_writing(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a partial file exists."""
    deadline = time.time() + PATIENCE
    while process.poll() is None and time.time() < deadline and not list(folder.glob(".net.*.part")):
        pass


def kill(folder: Path, process: "subprocess.Popen[bytes]", *, ask: bool) -> str:
    """Kill the process and return its phase; ``ask`` makes it dump its stack first."""
    where = folder / "where.txt"
    before, told = where.stat().st_size, ""
    if ask:
        process.send_signal(signal.SIGUSR1)
        deadline = time.time() + 0.1
        while "<module>" not in told and time.time() < deadline:
            told = where.read_text()[before:]
    process.kill()
    process.wait()
    names = [line.rsplit(" in ", 1)[-1] for line in told.splitlines() if "lenetx" in line]
    phase = next((PHASES[name] for name in names if name in PHASES), names[0] if names else "just after writing")
    return "writing a state: its unfinished file is left" if list(folder.glob(".net.*.part")) else phase


def digest(folder: Path) -> str:
    """Return the digest of the weights of a finished training."""
    import lenetx

    return lenetx.load(folder / "net.pt").spec.weights_sha256


if __name__ == "__main__":
    sys.exit(main())
