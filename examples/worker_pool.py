"""Label a folder of pictures with several processes: a line of JSON each, in the order of their names.

    python examples/worker_pool.py MODEL FOLDER

Threads of one process share a Classifier and are enough for most programs. Processes are for work in Python around the
prediction, which threads would do one after the other. Ends with 1 if a picture could not be used, with 130 on Ctrl-C
and with 143 on SIGTERM. No worker outlives it, however it ends.
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
"""Pictures that a process is given at once: asking costs as much as a small picture."""

classifier: Classifier
"""Of a worker."""


def main() -> None:
    """Label the folder; a model or folder that cannot be used, or a worker that dies, ends it with a sentence."""
    if len(sys.argv) != 3:
        sys.exit("Usage: python worker_pool.py MODEL FOLDER")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # as Ctrl-C does: the pool is shut down
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
    """Print a line for each picture and count those that could not be used."""
    failures = 0
    with Classifier(model, device="cpu", threads=1) as opened:
        pool = started(opened)
        try:
            # Not pool.map: when a worker dies it cancels what the pool is failing at that moment, and both may hang.
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # for the workers, which inherit it
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
    """Return a pool of a process per core.

    Not multiprocessing.Pool, which waits for ever for what a worker that died was given, and not fork, which copies the
    locks that other threads of a larger program hold.
    """
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(os.cpu_count(), spawn, initializer=keep, initargs=(opened,))


def keep(given: Classifier) -> None:
    """Keep the Classifier that came pickled: it has opened the same model again, once in this process."""
    global classifier
    classifier = given
    threading.Thread(target=end_with_the_parent, daemon=True).start()


def end_with_the_parent() -> None:
    """End this worker when the process that started it is gone, killed perhaps, and can no longer end it."""
    parent = multiprocessing.parent_process()
    assert parent
    wait([parent.sentinel])
    os._exit(1)


def answers(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return for each picture its label, or the sentence that says why it has none, with the name of its file."""
    return [answer(path) for path in paths]


def answer(path: Path) -> dict[str, Any]:
    """Do it for one."""
    try:
        found = classifier.predict(path)
    except InputError as error:
        return {"file": path.name, "error": str(error).replace(str(path), path.name)}
    return {"file": path.name, "label": found.label, "probability": found.probability}


if __name__ == "__main__":
    main()
