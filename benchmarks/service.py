"""Measure how fast the web service of examples/ answers concurrent clients, and count lost or wrong answers.

python benchmarks/service.py [REQUESTS]

The service runs under uvicorn in a separate process. The clients run in this process, keep their connections open and
send the next picture after the previous answer; on few cores they take much of the time themselves.
"""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image
from _measure import heading, table, verdict
from sklearn.datasets import load_digits

from lenetx_runtime import Classifier

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "artifacts" / "reference" / "lenet5.onnx"
REQUESTS, CLIENTS = 10_000, (1, 8, 64)
PICTURES, ENLARGED = 200, 8
PATIENCE = 60
"""Timeout in seconds; a later answer counts as lost."""
ADDRESS = b"Uvicorn running on http://127.0.0.1:"


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else REQUESTS
    heading("The web service")
    pictures = as_png()
    with Classifier(MODEL) as classifier:
        answers = [(found.label, found.probability) for found in map(classifier.predict, pictures)]
    service, port = start()
    try:
        asyncio.run(load(port, pictures, answers, 500, CLIENTS[-1]))  # warm
        found = [measured(port, pictures, answers, requests, clients) for clients in CLIENTS]
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait(30)
    header = ["clients", "requests", "p50, ms", "p95, ms", "p99, ms", "right answers/s", "lost or wrong", "target 0"]
    table(header, [row for row, _ in found])
    sys.exit(any(lost for _, lost in found))


def measured(
    port: int, pictures: Sequence[bytes], answers: Sequence[tuple[str, float]], requests: int, clients: int
) -> tuple[list[str], int]:
    """Return the table row for a number of clients, and how many requests had no correct answer."""
    began = time.perf_counter()
    times = asyncio.run(load(port, pictures, answers, requests, clients))
    rate = len(times) / (time.perf_counter() - began)
    lost = requests - len(times)
    points = [f"{1000 * value:.1f}" for value in np.percentile(times or [np.nan], (50, 95, 99))]
    return [str(clients), f"{requests:,}", *points, f"{rate:,.0f}", str(lost), verdict(not lost)], lost


def as_png() -> list[bytes]:
    """Return PNG files of handwritten digits, enlarged to 64×64 pixels, dark on light."""
    levels = load_digits().images[:PICTURES] * (255 / 16)
    files = []
    for image in 255 - np.kron(levels, np.ones((ENLARGED, ENLARGED))).astype(np.uint8):
        file = io.BytesIO()
        PIL.Image.fromarray(image).save(file, "PNG")
        files.append(file.getvalue())
    return files


def start() -> tuple[subprocess.Popen[bytes], int]:
    """Start the service on a free port, wait until it listens, and return its process and port."""
    command = [sys.executable, "-m", "uvicorn", "--app-dir", ROOT / "examples", "service:app", "--port", "0"]
    quiet = ["--no-access-log"]
    environment = os.environ | {"LENETX_MODEL": str(MODEL)}
    service = subprocess.Popen([*command, *quiet], env=environment, stderr=subprocess.PIPE)
    for line in service.stderr:
        if ADDRESS in line:
            return service, int(line.partition(ADDRESS)[2].split()[0])
    raise SystemExit("The service did not start.")


async def load(
    port: int, pictures: Sequence[bytes], answers: Sequence[tuple[str, float]], requests: int, clients: int
) -> list[float]:
    """Send the requests and return the seconds of each correctly answered one."""
    numbers, times = iter(range(requests)), []

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            picture = pictures[number % len(pictures)]
            began = time.perf_counter()
            writer.write(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(picture) + picture)
            async with asyncio.timeout(PATIENCE):
                status, found = await answer(reader)
            if status == 200 and (found["label"], found["probability"]) == answers[number % len(pictures)]:
                times.append(time.perf_counter() - began)
        writer.close()
        await writer.wait_closed()

    for problem in await asyncio.gather(*(client() for _ in range(clients)), return_exceptions=True):
        if problem is not None:
            print(f"A client gave up: {problem!r}", file=sys.stderr)
    return times


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, object]]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].split()[0])
    return int(head.split()[1]), json.loads(await reader.readexactly(length))


if __name__ == "__main__":
    main()
