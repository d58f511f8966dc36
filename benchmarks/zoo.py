"""Test which formats are proven for torchvision's classifiers, with random weights and the smallest input that fits.

python benchmarks/zoo.py [NAME] …
"""

import json
import sys
import tempfile
from pathlib import Path

from _measure import Run, heading, python, run_process, table

LENETX = str(Path(sys.executable).with_name("lenetx"))
FORMATS = ("onnx", "torchscript")
SMALLEST = (
    *("squeezenet1_1", "shufflenet_v2_x0_5", "mnasnet0_5", "mobilenet_v3_small", "mobilenet_v2", "resnet18"),
    *("efficientnet_b0", "regnet_y_400mf", "googlenet", "densenet121", "alexnet", "convnext_tiny"),
    *("inception_v3", "vgg11", "swin_t", "swin_v2_t", "vit_b_32", "maxvit_t"),
)
"""The smallest network of each family."""

MAKE = """
import sys, torch
from lenetx import models
name = sys.argv[1]
for size in (32, 33, 48, 64, 75, 96, 128, 224):
    torch.manual_seed(0)
    try:
        network = models.build("torchvision:" + name, (3, size, size), 10).eval()
        with torch.no_grad():
            network(torch.zeros(2, 3, size, size))
    except Exception:
        continue
    break
torch.save(network.state_dict(), name + ".pth")
print(size, sum(each.numel() for each in network.parameters()), type(network).__name__)
"""


def main() -> None:
    names = sys.argv[1:] or SMALLEST
    heading("torchvision's classifiers")
    header = ["network", "family", "input", "parameters, M", *FORMATS, "CPU, s", "wall, s", "peak, GiB"]
    rows = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(name, Path(folder)))
        print(" | ".join(rows[-1]), file=sys.stderr, flush=True)
    table(header, rows)
    for column, name in enumerate(FORMATS, start=4):
        proven = [each for each in rows if each[column] == "proven"]
        families = {each[1] for each in proven}
        print(
            f"{name}: {len(proven)} of {len(rows)} networks proven, "
            f"{len(families)} of {len({each[1] for each in rows})} families."
        )


def row(name: str, folder: Path) -> list[str]:
    """Export one network as a user would and return its table row; failed proofs are reported on stderr."""
    size, parameters, family = run_process(python("-c", MAKE, name), folder=folder).output.split()
    said = ["--arch", f"torchvision:{name}", "--input-size", size, "--channels", "3", "--framing", "stretch"]
    command = [LENETX, "export", f"{name}.pth", *said, "-o", "out", "--quiet", "--json"]
    run = run_process(command, folder=folder, may_fail=True)
    proven = outcome(run)
    about = [name, family, f"{size}×{size}", f"{int(parameters) / 1e6:.1f}"]
    return [
        *about,
        *("proven" if each in proven else "refused" for each in FORMATS),
        f"{run.cpu:.0f}",
        f"{run.wall:.0f}",
        f"{run.peak_mib / 1024:.1f}",
    ]


def outcome(run: Run) -> set[str]:
    """Return the formats that were proven."""
    if run.code not in (0, 1, 2):
        raise SystemExit(f"lenetx ended with exit code {run.code}.")
    if not run.output:
        return set()
    told = json.loads(run.output)
    for refusal in told.get("refused", ()):
        print(f"  {refusal['name']}: {refusal['reason']}", file=sys.stderr, flush=True)
    return {each["artifact"]["format"] for each in told["reports"] if each["passed"]}


if __name__ == "__main__":
    main()
