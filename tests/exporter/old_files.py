"""A folder of published files, and what is in it after the next command has looked."""

from lenetx.publishing.transaction import lock_and_recover

NAMES = ("m.onnx", "m.torchscript", "m.onnx.verified.json", "manifest.json")
OLD = {name: f"old {name}".encode() for name in NAMES if name != "m.torchscript"}
NEW = {name: f"new {name}".encode() for name in NAMES}
OTHER = {"other.onnx": b"of another publication"}


def filled(folder):
    """Return a new folder with old files, in which one of the new ones has no predecessor."""
    folder.mkdir()
    for name, data in {**OLD, **OTHER}.items():
        (folder / name).write_bytes(data)
    return folder


def found(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def repaired(folder):
    """Return what is there after the next command has looked; a second look must change nothing."""
    for _ in range(2):
        with lock_and_recover(folder):
            pass
    return found(folder)
