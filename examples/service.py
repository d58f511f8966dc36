"""Serve a model over HTTP: label the picture in each request. All requests share one model.

    LENETX_MODEL=artifacts/reference/lenet5.onnx uvicorn --app-dir examples service:app
    curl --data-binary @examples/seven.png http://127.0.0.1:8000/predict

It needs ``pip install fastapi uvicorn`` besides the runtime, and does not start if the model fails its self-test.
"""

import asyncio
import contextlib
import hashlib
import os
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

import lenetx_runtime
from lenetx_runtime import ArtifactError, Classifier, InputError, LenetxError

MODEL = "artifacts/reference/lenet5.onnx"
MOST_BYTES = 8 * 2**20
"""Maximum size of a request body. The runtime also limits the pixels of a picture: ``Limits().image_pixels``."""
PICTURE = {"required": True, "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}
WRAPPED = {"application/json", "multipart/form-data"}
"""Content types of pictures that are wrapped in a form or in JSON. Any other type is read as the bytes themselves."""
SEND = "Send the bytes of the picture themselves as the body: curl --data-binary @picture.png"


class Answer(BaseModel):
    """The label of a picture and its probability, 0.0 to 1.0."""

    label: str
    probability: float


class Problem(BaseModel):
    """The reason that a request failed."""

    detail: str


PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The body is empty"},
    413: {"model": Problem, "description": "The picture has too many bytes"},
    415: {"model": Problem, "description": "The picture is wrapped in a form or in JSON"},
    422: {"model": Problem, "description": "The body is no picture that can be used"},
}


@contextlib.asynccontextmanager
async def opened(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Open and self-test the model before the first request, and close it after the last."""
    try:
        path = os.environ.get("LENETX_MODEL", MODEL)
        classifier = Classifier(path)
        found = classifier.self_test()
        if not found.passed:
            raise ArtifactError("The model fails its self-test on this machine: export it again, or verify it.")
    except LenetxError as error:
        sys.tracebacklimit = 0  # uvicorn logs the error: the message is enough
        raise error from None
    with classifier:
        health = {
            "status": "ok",
            "device": classifier.device,
            "model_sha256": hashlib.sha256(Path(path).read_bytes()).hexdigest(),  # as sha256sum prints it
            "self_test": {"images": found.images, "worst": found.worst, "seconds": found.seconds},
            "version": lenetx_runtime.__version__,
        }
        # One thread per core: further pictures wait as compressed bytes, not as decoded pixels.
        with ThreadPoolExecutor(os.cpu_count()) as threads:
            yield {"classifier": classifier, "health": health, "threads": threads}


app = FastAPI(title="lenetx", lifespan=opened)


@app.exception_handler(InputError)
async def unusable(_: Request, error: InputError) -> JSONResponse:
    """Return 422 with a message that says what is wrong with the picture."""
    return JSONResponse({"detail": str(error)}, 422)


@app.exception_handler(ClientDisconnect)
async def gone(_: Request, error: ClientDisconnect) -> JSONResponse:  # noqa: ARG001
    """End the request of a client that disconnected while sending; nobody reads this answer."""
    return JSONResponse({"detail": "The client went away."}, 400)


@app.get("/health")
async def health(request: Request) -> dict[str, Any]:
    """Report that the service is ready, with its model, device and self-test."""
    found: dict[str, Any] = request.state.health
    return found


@app.post("/predict", responses=PROBLEMS, openapi_extra={"requestBody": PICTURE})
async def predict(request: Request) -> Answer:
    """Label the picture in the body: the bytes of a PNG, JPEG, BMP, WebP or GIF file."""
    picture = await body(request)
    # In a thread, so that a large photo blocks neither other requests nor the health endpoint.
    loop, state = asyncio.get_running_loop(), request.state
    found = await loop.run_in_executor(state.threads, state.classifier.predict, picture)
    return Answer(label=found.label, probability=found.probability)


async def body(request: Request) -> bytes:
    """Read the body up to the size limit.

    Raises:
        HTTPException: the body is empty, too large, or wrapped in a form or JSON.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() in WRAPPED:
        raise HTTPException(415, f"A form or JSON is no picture. {SEND}")
    too_large = HTTPException(413, f"A picture may have at most {MOST_BYTES // 2**20} MiB.")
    if int(request.headers.get("content-length", 0)) > MOST_BYTES:
        raise too_large
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MOST_BYTES:
            raise too_large
    if not data:
        raise HTTPException(400, f"The body is empty. {SEND}")
    return bytes(data)
