"""Label a folder of pictures with several processes and print one line of JSON each, in the order of their names.

    python examples/worker_pool.py MODEL FOLDER

Threads of one process can share a Classifier, which is enough for most programs. Use processes for other Python work
around the prediction, which threads would serialise. The exit code is 1 if a picture could not be used, 130 on Ctrl-C
and 143 on SIGTERM. No worker outlives the program, even if it is killed.
"""

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from lenetx_runtime import Classifier, InputError, LenetxError

SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp"}
CHUNK = 16
"""Pictures per task: the overhead of a task is that of a small picture."""

classifier: Classifier
"""The worker's Classifier."""


def main() -> None:
    """Label the folder; exit with a message if the model or folder is unusable or a worker dies."""
    if len(sys.argv) != 3:
        sys.exit("Usage: python worker_pool.py MODEL FOLDER")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # shut the pool down, as on Ctrl-C
    try:
        paths = sorted(path for path in Path(sys.argv[2]).iterdir() if path.suffix.lower() in SUFFIXES)
        failures = label_all(sys.argv[1], paths)
    except LenetxError as error:
        sys.exit(str(error))
    except BrokenProcessPool:
        sys.exit("A worker died, perhaps for lack of memory: the pictures after the last line are not labelled.")
    except OSError as error:
        sys.exit(f"{error.filename or 'The output'}: {error.strerror}.")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(1 if failures else 0)


def label_all(model: str, paths: Sequence[Path]) -> int:
    """Print a line for each picture and return the number of those that could not be used."""
    failures = 0
    with Classifier(model, device="cpu", threads=1) as opened:
        pool = started(opened)
        try:
            # Not pool.map: if a worker dies, it cancels futures while the pool marks them as failed, and may hang.
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the workers inherit this
            chunks = [pool.submit(answers, paths[start : start + CHUNK]) for start in range(0, len(paths), CHUNK)]
            signal.signal(signal.SIGINT, before)
            for chunk in chunks:
                for line in chunk.result():
                    failures += "error" in line
                    print(json.dumps(line), flush=True)
        finally:
            pool.shutdown(cancel_futures=True)
    return failures


def started(opened: Classifier) -> ProcessPoolExecutor:
    """Return a pool with one process per core.

    multiprocessing.Pool would wait forever for the tasks of a worker that died, and fork would copy locks that other
    threads of a larger program hold.
    """
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(os.cpu_count(), spawn, initializer=keep, initargs=(opened,))


def keep(given: Classifier) -> None:
    """Store the unpickled Classifier, which reopened the model once in this process."""
    global classifier
    classifier = given
    threading.Thread(target=end_with_the_parent, daemon=True).start()


def end_with_the_parent() -> None:
    """Exit this worker when its parent is gone, because a killed parent cannot stop it."""
    parent = multiprocessing.parent_process()
    assert parent
    wait([parent.sentinel])
    os._exit(1)


def answers(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the answer for each picture, see ``answer``."""
    return [answer(path) for path in paths]


def answer(path: Path) -> dict[str, Any]:
    """Return a picture's file name and label, or its file name and an error message."""
    try:
        found = classifier.predict(path)
    except InputError as error:
        return {"file": path.name, "error": str(error).replace(str(path), path.name)}
    return {"file": path.name, "label": found.label, "probability": found.probability}


if __name__ == "__main__":
    main()
