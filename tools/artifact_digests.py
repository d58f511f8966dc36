"""Print the digest of every artifact of every built-in network: both formats, all opsets, dynamic and fixed batch.

    python tools/artifact_digests.py FOLDER

Missing checkpoints are trained into FOLDER. Run it with the same folder before and after a change that must not change
any byte, and compare the last lines.
"""

import hashlib
import sys
from pathlib import Path

import lenetx
from lenetx import formats, models
from lenetx.formats.network import Network
from lenetx.formats.onnx import OPSETS


def main() -> None:
    """Print a line for each artifact, then the digest of all digests."""
    folder, found = Path(sys.argv[1]), []
    for name in models.names():
        path = folder / f"{name}.pt"
        if not path.exists():
            config = lenetx.TrainConfig(data="digits", architecture=name, epochs=1, batch_size=128)
            lenetx.save(lenetx.train(config), path)
        network = Network(lenetx.load(path))
        for kind, options in [("torchscript", {}), *(("onnx", {"opset": opset}) for opset in OPSETS)]:
            for batch in ("dynamic", 4):
                contents = formats.export(kind, network, batch=batch, options=options)
                found.append(hashlib.sha256(contents).hexdigest())
                print(name, kind, *options.values(), batch, found[-1][:16], flush=True)
    print(f"{len(found)} artifacts", hashlib.sha256("".join(found).encode()).hexdigest())


if __name__ == "__main__":
    main()
