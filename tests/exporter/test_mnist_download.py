"""The download of MNIST, from a real web server on this machine."""

import gc
import gzip
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from lenetx import data
from lenetx.errors import DataError
from lenetx.torchvision_loader import import_torchvision

COUNTS = {"train": 60_000, "t10k": 10_000}


@pytest.fixture(scope="module")
def files():
    """Complete IDX files of zeros with random labels, compressed, by name."""
    random = np.random.default_rng(0)
    made = {}
    for part, count in COUNTS.items():
        size = count.to_bytes(4, "big")
        images = b"\0\0\x08\x03" + size + b"\0\0\0\x1c" * 2 + bytes(count * 28 * 28)
        labels = b"\0\0\x08\x01" + size + random.integers(0, 10, count, np.uint8).tobytes()
        made[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(images, 1)
        made[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(labels, 1)
    return made


@pytest.fixture
def served():
    """What the server gives, by name; change it to change the server's mind."""
    return {}


@pytest.fixture
def server(served, files, monkeypatch, tmp_path):
    """A web server that torchvision takes for the mirror of MNIST; the cache folder is below ``tmp_path``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            content = served.get(self.path.strip("/"))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        mnist = import_torchvision().datasets.MNIST
        sums = [(name, hashlib.md5(content).hexdigest()) for name, content in files.items()]
        monkeypatch.setattr(mnist, "resources", sums)
        monkeypatch.setattr(mnist, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.delenv("LENETX_DATA", raising=False)
        served.update(files)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def raw(tmp_path):
    """Where the files come to lie."""
    return tmp_path / "lenetx" / "MNIST" / "raw"


def refusal(*, download=True):
    with pytest.raises(DataError) as caught:
        data.load("mnist", download=download)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.usefixtures("server")
def test_it_is_downloaded_once_and_then_read_from_the_cache(served):
    mnist = data.load("mnist")
    assert [len(part) for part in (mnist.train, mnist.validation, mnist.test)] == [55_000, 5_000, 10_000]
    served.clear()
    again = data.load("mnist")
    assert np.array_equal(again.train.labels, mnist.train.labels)


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("damage", ["changed", "cut off"])
def test_a_damaged_download_is_refused_and_nothing_of_it_is_used(served, files, raw, damage):
    name = "train-labels-idx1-ubyte.gz"
    changed = bytearray(files[name])
    changed[1000] ^= 1
    served[name] = bytes(changed) if damage == "changed" else files[name][:-1000]
    assert refusal().startswith("MNIST could not be downloaded")
    assert not (raw / "train-labels-idx1-ubyte").exists()
    assert "is not in" in refusal(download=False)
    served.update(files)
    assert len(data.load("mnist").test) == 10_000  # the damaged file does not stand in the way


@pytest.mark.usefixtures("server")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # torchvision leaves the answer 404 open
def test_a_server_without_the_files_is_a_sentence(served):
    served.clear()
    assert "404" in refusal()
    gc.collect()  # while the filter is on


def test_a_server_that_is_down_is_a_sentence(server, raw):
    server.shutdown()
    server.server_close()
    assert refusal().startswith("MNIST could not be downloaded")
    assert not list(raw.iterdir())


@pytest.mark.usefixtures("server")
def test_a_cached_file_that_was_cut_off_is_named_with_what_to_do(raw):
    """As an interrupt while torchvision unpacks leaves it: torchvision looks only at whether it exists."""
    data.load("mnist")
    path = raw / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:1_000_000])
    message = refusal()
    assert str(raw.parent.parent) in message
    assert "delete" in message
