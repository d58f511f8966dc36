"""Measure how many networks are proven in ONNX, exported by lenetx and plainly by either exporter of torch.

python benchmarks/foreign.py FILE.py [NAME] …        # the networks of a file, for inputs of 1×28×28
python benchmarks/foreign.py torchvision [NAME] …    # at the smallest input that each takes, with 10 outputs
python benchmarks/foreign.py timm [NAME] …           # 40 networks of fewer than 10 million parameters
python benchmarks/foreign.py polygraphy              # faults found and honest files failed, beside Polygraphy
python benchmarks/foreign.py quick                   # time of a quick proof, over that of our own file
"""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from _measure import heading, python, table, verdict
from _timm import small_networks

ONE = Path(__file__).with_name("_foreign_one.py")
FILES = {"lenetx": "lenetx export", "dynamo": "torch.onnx, dynamo=True", "tracing": "torch.onnx, dynamo=False"}
SIZES = ("32", "33", "48", "64", "75", "96", "128", "224", "256")
TARGET = 0.95
SECONDS = 900
PROVEN = "proven"


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    what, *names = sys.argv[1:]
    if what == "polygraphy":
        from _polygraphy import compare

        heading("Faults found by lenetx and by Polygraphy")
        compare()
        return
    if what == "quick":
        from _quick import compare_times

        heading("A quick proof of torch.onnx's files")
        compare_times()
        return
    heading(f"Networks of {Path(what).name}, proven in ONNX")
    if what.endswith(".py"):
        found = names or re.findall(r"^(?:class|def) (\w+)", Path(what).read_text("utf-8"), re.MULTILINE)
        networks = [(f"{Path(what).absolute()}:{name}", ()) for name in found]
    elif what == "timm" and not names:
        networks = [(each.architecture, ("3", str(each.side))) for each in small_networks()]
    else:
        networks = [(f"{what}:{name}", ("3", *SIZES)) for name in names or classifiers()]
    report([outcome(*each) for each in networks])


def classifiers() -> list[str]:
    """Return the names of torchvision's classifiers."""
    from lenetx.torchvision_loader import import_torchvision

    import_torchvision()
    from torchvision import models

    return [str(name) for name in models.list_models(module=models)]


def outcome(architecture: str, sizes: Sequence[str]) -> dict[str, str]:
    """Run one network in a process of its own."""
    try:
        done = subprocess.run(
            python(ONE, architecture, *sizes), capture_output=True, text=True, timeout=SECONDS, check=False
        )
        found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        found = {"architecture": architecture} | dict.fromkeys(FILES, f"not done in {SECONDS} s")
    except (IndexError, ValueError):
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        found = {"architecture": architecture} | dict.fromkeys(FILES, f"the process ended ({done.returncode}): {last}")
    print(json.dumps(found), file=sys.stderr, flush=True)
    return found


def report(found: Sequence[dict[str, str]]) -> None:
    """Print the shares, and the reason for each network or file that was not proven."""
    sound = [each for each in found if "unsound" not in each]
    rows = []
    for key, title in FILES.items():
        written = [each for each in sound if not each[key].startswith(("torch wrote no file", "wrong file"))]
        proven = sum(each[key] == PROVEN for each in written)
        share = proven / max(1, len(written))
        rows.append(
            [title, str(len(written)), str(proven), f"{share:.1%}", f"≥ {TARGET:.0%}", verdict(share >= TARGET)]
        )
    table(["file", "written", "proven", "share", "target", ""], rows)
    print(f"{len(sound)} of {len(found)} are classifiers of single images, as eager PyTorch runs them.\n")
    for each in found:
        name = each["architecture"].rsplit(":", 1)[-1]
        if "unsound" in each:
            print(f"- {name}: not tried. {each['unsound']}")
        for key, title in FILES.items():
            if each.get(key, PROVEN) != PROVEN:
                print(f"- {name}, {title}: {each[key]}")


if __name__ == "__main__":
    main()
