"""The web service under uvicorn as a process, on loopback."""

import dataclasses
import hashlib
import http.client
import io
import json
import os
import socket
import subprocess
import sys
import threading

import onnx
import PIL.Image
import pytest
from onnx import helper

import lenetx_runtime
from lenetx_runtime import Classifier, SelfTest
from lenetx_runtime.onnx_file import seal
from lenetx_runtime.spec import METADATA_KEY

MOST_BYTES = 8 * 2**20


def uvicorn(root):
    return (
        "-m",
        "uvicorn",
        "--app-dir",
        root / "examples",
        "service:app",
        "--port",
        "0",
        "--no-access-log",
    )  # nobody reads it: the pipe would fill


@pytest.fixture(scope="module")
def served(program, root, model):
    """The function that starts a service on a free port and waits until it runs."""

    def serve():
        started = program(*uvicorn(root), LENETX_MODEL=str(model))
        started.port = int(started.error_line("Uvicorn running").partition("127.0.0.1:")[2].split()[0])
        return started

    return serve


@pytest.fixture(scope="module")
def service(served):
    """One for all tests that do not end it."""
    return served()


def ask(service, method, path, body=None, **headers):
    """Return the status and the document of one answer."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=250)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def raw(service, *parts):
    """Return the status of the answer to bytes that no client library would send."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=250) as connection:
        for part in parts:
            connection.sendall(part)
        return int(connection.recv(4096).split()[1])


def test_health_says_what_runs_where(service, model):
    status, found = ask(service, "GET", "/health")
    assert status == 200
    assert found.pop("self_test").keys() == {"images", "worst", "seconds"}
    with Classifier(model) as classifier:
        assert found == {
            "status": "ok",
            "device": classifier.device,
            "model_sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
            "version": lenetx_runtime.__version__,
        }


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "application/x-www-form-urlencoded"])
def test_the_body_is_the_picture_whatever_it_is_called(service, model, seven, kind):
    status, found = ask(service, "POST", "/predict", seven.read_bytes(), **{"Content-Type": kind})
    right = Classifier(model).predict(seven)
    assert (status, found) == (200, {"label": "7", "probability": right.probability})


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"no picture", "The image given as 10 bytes is not a readable PNG, JPEG, BMP, WEBP or GIF file."),
        (
            bytes(MOST_BYTES),
            f"The image given as {MOST_BYTES} bytes is not a readable PNG, JPEG, BMP, WEBP or GIF file.",
        ),
    ],
)
def test_what_is_no_picture_is_422_with_our_sentence(service, body, sentence):
    assert ask(service, "POST", "/predict", body) == (422, {"detail": sentence})


SEND = "Send the bytes of the picture themselves as the body: curl --data-binary @picture.png"


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "Application/JSON"])
def test_a_form_and_json_are_415_with_the_way_to_send_a_picture(service, kind):
    answer = ask(service, "POST", "/predict", b"--x\r\n", **{"Content-Type": kind})
    assert answer == (415, {"detail": f"A form or JSON is no picture. {SEND}"})


def test_an_empty_body_is_400_with_the_way_to_send_a_picture(service):
    assert ask(service, "POST", "/predict") == (400, {"detail": f"The body is empty. {SEND}"})


def test_the_openapi_document_states_the_body_and_every_status(service):
    status, document = ask(service, "GET", "/openapi.json")
    described = document["paths"]["/predict"]["post"]
    assert status == 200
    assert described["requestBody"] == {
        "required": True,
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
    assert described["responses"].keys() == {"200", "400", "413", "415", "422"}
    problem = described["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert document["components"]["schemas"][problem]["properties"].keys() == {"detail"}


def test_what_is_too_large_is_413_before_it_is_read(service):
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\n"
    assert raw(service, head, b"Content-Length: %d\r\n\r\n" % (MOST_BYTES + 1)) == 413
    chunk = b"%x\r\n%s\r\n" % (MOST_BYTES // 2, bytes(MOST_BYTES // 2))
    assert raw(service, head, b"Transfer-Encoding: chunked\r\n\r\n", chunk, chunk, b"1\r\nx\r\n") == 413


def test_a_client_that_goes_away_leaves_no_trace_and_the_service_goes_on(served, seven):
    other = served()
    with socket.create_connection(("127.0.0.1", other.port)) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf")
    assert ask(other, "POST", "/predict", seven.read_bytes())[0] == 200
    _, _, errors = other.end()
    assert "Application shutdown complete." in errors
    assert "Traceback" not in errors


def test_one_model_answers_many_clients_at_once(service, pictures, model):
    folder, _ = pictures
    files = sorted(folder.iterdir())
    with Classifier(model) as classifier:
        right = [(each.label, each.probability) for each in map(classifier.predict, files)]
    ready, found = threading.Barrier(32), {}

    def client(number):
        ready.wait(250)
        found[number] = [ask(service, "POST", "/predict", file.read_bytes()) for file in files[number % 8 :: 8]]

    threads = [threading.Thread(target=client, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(250)
    for number in range(32):
        answers = [(200, {"label": label, "probability": share}) for label, share in right[number % 8 :: 8]]
        assert found[number] == answers


def test_a_large_photo_holds_up_neither_the_health_endpoint_nor_others(service, seven):
    page = PIL.Image.new("L", (4000, 3000), 255)
    page.paste(PIL.Image.open(seven).convert("L").resize((2000, 2000)), (1000, 500))
    file = io.BytesIO()
    page.save(file, "PNG")
    large, found = threading.Event(), []

    def photo():
        found.append(ask(service, "POST", "/predict", file.getvalue()))
        large.set()

    threading.Thread(target=photo).start()
    meanwhile = []
    while not large.is_set():
        meanwhile.append(ask(service, "GET", "/health")[0])
    assert found[0][0] == 200
    assert len(meanwhile) > 2
    assert set(meanwhile) == {200}


def refused(root, model):
    command = [sys.executable, *map(str, uvicorn(root))]
    done = subprocess.run(
        command, env=os.environ | {"LENETX_MODEL": str(model)}, capture_output=True, text=True, timeout=250, check=False
    )
    assert done.returncode != 0
    assert "Uvicorn running" not in done.stderr
    return done.stderr


def test_it_does_not_start_without_a_model(root, tmp_path):
    errors = refused(root, tmp_path / "no.onnx")
    assert f"There is no model '{tmp_path / 'no.onnx'}'." in errors
    assert "File " not in errors  # no frames of a traceback


def test_it_does_not_start_with_a_model_that_fails_its_self_test(root, model, tmp_path):
    """Its file is whole: only running it shows that its logits are others."""
    spec = Classifier(model).spec
    wrong = tuple(tuple(value + 1 for value in row) for row in spec.selftest.logits)
    selftest = SelfTest(spec.selftest.images, wrong, spec.selftest.limits)
    content = onnx.load(model)
    helper.set_model_props(
        content, {METADATA_KEY: dataclasses.replace(spec, selftest=selftest, content_sha256="0" * 64).to_json()}
    )
    other = tmp_path / "other.onnx"
    other.write_bytes(seal(content.SerializeToString(deterministic=True)))
    assert "The model fails its self-test on this machine" in refused(root, other)


@pytest.mark.slow
def test_under_load_nothing_is_lost_and_every_answer_is_right(python, root):
    done = python(root / "benchmarks" / "service.py", 2000)
    assert done.returncode == 0, done.stderr
    rows = [row.split("|")[1:-1] for row in done.stdout.splitlines() if row.startswith("|")]
    found = [[cell.strip() for cell in row] for row in rows[2:]]
    assert [row[0] for row in found] == ["1", "8", "64"]
    assert all(row[1] == "2,000" and row[6:] == ["0", "met"] for row in found)
