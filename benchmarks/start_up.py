"""Measure how long a new process takes for ``lenetx --help``, ``import lenetx_runtime`` and a whole ``lenetx export``.

python benchmarks/start_up.py
"""

import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from _measure import Run, alternate, heading, python, run_installed, run_process, spread, table, verdict

LENETX = Path(sys.executable).with_name("lenetx")
ROUNDS, EXPORTS = 15, 5
HELP_TARGET, IMPORT_TARGET, EXPORT_TARGET = 0.3, 0.15, 10.0

IMPORT = """
import sys, time
began = time.perf_counter()
import lenetx_runtime
print(time.perf_counter() - began)
heavy = {"numpy", "onnxruntime", "PIL", "torch"} & sys.modules.keys()
assert not heavy, f"import lenetx_runtime loads {heavy}"
"""


def main() -> None:
    heading("Start-up")
    small = alternate(
        {
            "python -c pass": partial(run_installed, "-c", "pass"),
            "import": partial(run_installed, "-c", IMPORT),
            "lenetx --help": partial(run_process, [str(LENETX), "--help"]),
        },
        ROUNDS,
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train = ("train", "--quiet", "--epochs", "5", "-o", "lenet5.pt")
        run_process(python("-m", "lenetx_cli", *train), folder=folder)
        exports = alternate({"export": partial(export, folder)}, EXPORTS)["export"]
    imports = [float(run.output) for run in small["import"]]
    rows = [
        row("`lenetx --help`", walls(small["lenetx --help"]), small["lenetx --help"], HELP_TARGET),
        row("`import lenetx_runtime`, the import alone", imports, None, IMPORT_TARGET),
        row('`python -c "import lenetx_runtime"`', walls(small["import"]), small["import"], None),
        row("`python -c pass`, the floor", walls(small["python -c pass"]), small["python -c pass"], None),
        row("`lenetx export -f onnx`, with its proof", walls(exports), exports, EXPORT_TARGET),
    ]
    table(["", "wall, s: median (range)", "CPU, s", "target", ""], rows)
    print("The import loads none of numpy, onnxruntime, PIL and torch: asserted in each process.")
    print(f"{ROUNDS} processes each, in turn ({EXPORTS} exports), after one that is not counted: files are in memory.")


def export(folder: Path) -> Run:
    """Export into an empty folder and check that the artifact exists when the process ends."""
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        run = run_process([str(LENETX), "export", "--quiet", "-f", "onnx", "-o", empty, "lenet5.pt"], folder=folder)
        assert (Path(empty) / "lenet5.onnx").stat().st_size > 0
    return run


def walls(runs: list[Run]) -> list[float]:
    return [run.wall for run in runs]


def row(what: str, seconds: list[float], runs: list[Run] | None, target: float | None) -> list[str]:
    cpu = spread([run.cpu for run in runs], 3) if runs else ""
    judged = [f"≤ {target} s", verdict(median(seconds) <= target)] if target else ["", ""]
    return [what, spread(seconds, 3), cpu, *judged]


if __name__ == "__main__":
    main()
