"""Label the pictures that come into a folder, a line of JSON each, until Ctrl-C or SIGTERM.

    python examples/watch_folder.py MODEL FOLDER

Nothing is moved or changed. What lies there at the start is labelled too, so that nothing is lost while the program is
not running, and a picture that is written anew is labelled anew. It looks again and again, which works on every disk.
"""

import json
import os
import signal
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lenetx_runtime import Classifier, InputError, LenetxError

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"}
SECONDS = 0.5
"""Between two looks. A file that is the same in both is taken to be complete; one that grows later is read again."""


def main() -> None:
    """Watch until a signal ends it, with exit code 0; a model or folder that cannot be used ends it with a sentence."""
    if len(sys.argv) != 3:
        sys.exit("Usage: python watch_folder.py MODEL FOLDER")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with Classifier(sys.argv[1]) as classifier:
            for path in complete(Path(sys.argv[2])):
                print(json.dumps(answer(classifier, path)), flush=True)
    except KeyboardInterrupt:
        pass
    except LenetxError as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{error.filename or 'The output'}: {error.strerror}.")


def complete(folder: Path) -> Iterator[Path]:
    """Return each picture once nobody seems to write to it any more, and again when it has changed; without an end."""
    before: dict[str, tuple[int, ...]] = {}
    known: set[str] = set()
    while True:
        now = look(folder)
        unchanged = {name for name in now if now[name] == before.get(name)}
        for name in sorted(unchanged - known):
            yield folder / name
        before, known = now, unchanged
        time.sleep(SECONDS)


def look(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return what changes when a picture does, by the names of the pictures in a folder."""
    found: dict[str, tuple[int, ...]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if Path(entry.name).suffix.lower() not in SUFFIXES:
                continue
            try:
                status = entry.stat()
            except OSError:  # gone since, or a link to nothing
                continue
            if stat.S_ISREG(status.st_mode):
                found[entry.name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def answer(classifier: Classifier, path: Path) -> dict[str, Any]:
    """Return the label of a picture, or the sentence that says why it has none, with the name of its file."""
    try:
        found = classifier.predict(path)
    except InputError as error:
        return {"file": path.name, "error": str(error).replace(str(path), path.name)}
    return {"file": path.name, "label": found.label, "probability": found.probability}


if __name__ == "__main__":
    main()
