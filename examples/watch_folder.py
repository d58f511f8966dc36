"""Label the pictures that arrive in a folder and print one line of JSON each, until Ctrl-C or SIGTERM.

    python examples/watch_folder.py MODEL FOLDER

No file is moved or changed. Pictures that exist at the start are labelled too, so nothing is missed while the program
is not running; an overwritten picture is labelled again. The program polls, which works on every file system.
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
"""Polling interval. A file that is the same in two polls counts as complete; if it changes later, it is read again."""


def main() -> None:
    """Watch until a signal arrives, then exit with 0; exit with a message if the model or folder is unusable."""
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
    """Yield each picture when it is complete, and again after it has changed; never ends."""
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
    """Return a fingerprint of each picture in a folder, by name: inode, size and modification time."""
    found: dict[str, tuple[int, ...]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if Path(entry.name).suffix.lower() not in SUFFIXES:
                continue
            try:
                status = entry.stat()
            except OSError:  # deleted meanwhile, or a broken link
                continue
            if stat.S_ISREG(status.st_mode):
                found[entry.name] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def answer(classifier: Classifier, path: Path) -> dict[str, Any]:
    """Return a picture's file name and label, or its file name and an error message."""
    try:
        found = classifier.predict(path)
    except InputError as error:
        return {"file": path.name, "error": str(error).replace(str(path), path.name)}
    return {"file": path.name, "label": found.label, "probability": found.probability}


if __name__ == "__main__":
    main()
