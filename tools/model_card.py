"""Write the model card of a trained, exported and verified model from its files.

    python tools/model_card.py artifacts/reference COMMAND…

The folder holds lenet5.pt, its artifacts and report.json; the card summarises them and lists the commands.
"""

import json
import sys
from pathlib import Path

import lenetx

CARD = """# LeNet-5 for MNIST digits: the reference model of lenetx

| | |
|---|---|
| task | one of ten handwritten digits, from an image of any size |
| network | {architecture}: {parameters:,} float32 parameters, input 1×{height}×{width} |
| data | MNIST (Y. LeCun, C. Cortes, C. Burges): 55,000 images to train, 5,000 to choose the epoch, 10,000 to test |
| accuracy on the test split | {accuracy:.2%} ({wrong} of {images:,} wrong), average loss {loss:.4f} |
| training | {epochs} epochs of Adam, one-cycle learning rate up to {rate}, batch {batch}, seed {seed} |
| weights SHA-256 | `{weights}` |
| licence | Apache-2.0 |

Each artifact was compared with eager PyTorch on all test images and on made-up inputs.
The limits, measured values and versions are in [report.html](report.html) and [report.json](report.json).

{proofs}

Known limits: one digit per image, light or dark ink on a plain background; it answers with a digit for any picture,
and its probabilities are not calibrated.

Made by `make reference`, which runs

{commands}
"""

HEADINGS = (
    "| artifact | difference on test images nearest to its limit | label flips | labels that no rounding can change |",
    "|---|---|---|---|",
)


def main() -> None:
    """Read the files and write MODEL_CARD.md to the same folder."""
    folder = Path(sys.argv[1])
    checkpoint = lenetx.load(folder / "lenet5.pt")
    report = json.loads((folder / "report.json").read_text())
    metrics, config, spec = checkpoint.metrics, checkpoint.config, checkpoint.spec
    proofs = [_proof(one) for one in report["reports"]]
    commands = [f"    {command}" for command in sys.argv[2:]]
    card = CARD.format(
        architecture=spec.architecture,
        parameters=sum(tensor.numel() for tensor in checkpoint.state_dict.values()),
        height=spec.height,
        width=spec.width,
        accuracy=metrics["test_accuracy"],
        wrong=round((1 - metrics["test_accuracy"]) * metrics["test_images"]),
        images=int(metrics["test_images"]),
        loss=metrics["test_loss"],
        epochs=config["epochs"],
        rate=config["learning_rate"],
        batch=config["batch_size"],
        seed=config["seed"],
        weights=spec.weights_sha256,
        proofs="\n".join([*HEADINGS, *proofs]),
        commands="\n".join(commands),
    )
    (folder / "MODEL_CARD.md").write_text(card)


def _proof(report: dict) -> str:
    checks = {check["name"]: check for check in report["checks"]}
    real, sure = checks["real inputs"], checks["margin certificate"]
    flips = len(checks["labels"]["figures"]["flips"])
    share = real["measured"] / real["limit"]
    return (
        f"| {report['artifact']['name']} | {real['measured']:.2g} of {real['limit']:.2g} ({share:.1%}) | {flips} | "
        f"{sure['measured']:.2%} |"
    )


if __name__ == "__main__":
    main()
