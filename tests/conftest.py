"""Checkpoints and artifacts that are made once for all tests, and the real processes and disks that some need."""

import dataclasses
import importlib.util
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Two workers share two cores: spinning threads would only take them from each other. Child processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ARCHITECTURES = ("lenet5", "lenet5-3x3", "lenet5-1998")


COMPILER = next((name for name in ("gcc", "clang") if shutil.which(name)), None)
NO_COMPILER = "neither gcc nor clang is installed"


def pytest_collection_modifyitems(items):
    """Skip tests of formats whose engine is not installed."""
    missing = {} if COMPILER else {"c": NO_COMPILER, "native": NO_COMPILER}
    engines = (name for name in ("openvino", "executorch") if not importlib.util.find_spec(name))
    missing |= {name: f"{name} is not installed" for name in engines}
    for item in items:
        for value in getattr(getattr(item, "callspec", None), "params", {}).values():
            if isinstance(value, str) and value in missing:
                item.add_marker(pytest.mark.skip(reason=missing[value]))


@pytest.fixture(scope="session")
def machine_code(tmp_path_factory):
    """The function that compiles C to the bytes of a shared library."""
    if COMPILER is None:
        pytest.skip(NO_COMPILER)

    def compile_it(text):
        folder = tmp_path_factory.mktemp("compiled")
        (folder / "library.c").write_text(text)
        command = [COMPILER, "-shared", "-fPIC", "-O1", "-o", "library.so", "library.c"]
        subprocess.run(command, cwd=folder, check=True)
        return (folder / "library.so").read_bytes()

    return compile_it


@pytest.fixture
def planting(tmp_path):
    """A file, and C that makes it as soon as a library with that C is loaded."""
    path = tmp_path / "the library was loaded"
    text = f"""
#include <stdio.h>
__attribute__((constructor)) static void plant(void) {{ fclose(fopen("{path}", "w")); }}
"""
    return path, text


@pytest.fixture(scope="session")
def checkpoint_paths(tmp_path_factory):
    """Paths of one small trained checkpoint of digits per architecture; copy a file before changing it."""
    import lenetx

    folder = tmp_path_factory.mktemp("trained")
    paths = {}
    for name in ARCHITECTURES:
        paths[name] = folder / f"{name}.pt"
        config = lenetx.TrainConfig(architecture=name, epochs=4, batch_size=64, learning_rate=0.01)
        lenetx.save(lenetx.train(config), paths[name])
    return paths


@pytest.fixture(scope="session")
def checkpoints(checkpoint_paths):
    """The same checkpoints, loaded."""
    import lenetx

    return {name: lenetx.load(path) for name, path in checkpoint_paths.items()}


@pytest.fixture(scope="session")
def checkpoint(checkpoints):
    """A trained lenet5."""
    return checkpoints["lenet5"]


@pytest.fixture(scope="session")
def other_checkpoint(checkpoint):
    """An honest checkpoint of the same network with other weights."""
    from lenetx.weights.plain_tensors import weights_sha256

    weights = {name: tensor * 1.01 for name, tensor in checkpoint.state_dict.items()}
    spec = dataclasses.replace(checkpoint.spec, weights_sha256=weights_sha256(weights), selftest=None)
    return dataclasses.replace(checkpoint, state_dict=weights, spec=spec)


@pytest.fixture(scope="session")
def reference(checkpoint):
    """What artifacts of ``checkpoint`` are compared with."""
    import lenetx

    return lenetx.reference(checkpoint)


@pytest.fixture(scope="session")
def published(tmp_path_factory, checkpoint_paths):
    """A folder with ``lenet5.pt``, its proven artifacts and their manifest; take ``workspace`` to change them."""
    import lenetx

    folder = tmp_path_factory.mktemp("published")
    shutil.copy(checkpoint_paths["lenet5"], folder)
    lenetx.export(folder / "lenet5.pt")
    return folder


@pytest.fixture
def workspace(tmp_path, published, monkeypatch):
    """A copy of ``published`` as ``artifacts`` in the current folder."""
    shutil.copytree(published, tmp_path / "artifacts")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "artifacts"


@pytest.fixture(scope="session")
def contents():
    """The function that gives the bytes of every file below a folder, by name, and the names of its folders."""

    def read(folder):
        paths = sorted(Path(folder).rglob("*"))
        return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}

    return read


class _Planted:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (Path(self.marker),)


@pytest.fixture(scope="session")
def planted():
    """What makes an object that makes a file, whose path is given, when it is unpickled.

    tests/exporter/test_checkpoint_hostile.py shows that it does.
    """
    return lambda marker: _Planted(str(marker))


@pytest.fixture(scope="session")
def saved():
    """The function that gives the bytes that ``torch.save`` writes."""
    import torch

    def save(content):
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return buffer.getvalue()

    return save


@pytest.fixture
def python(tmp_path):
    """The function that runs a real ``python ARGUMENTS`` in a folder, ``tmp_path`` by default, to its end."""

    def run(*arguments, cwd=tmp_path, prefix=(), **environment):
        command = [*prefix, sys.executable, *map(str, arguments)]
        inherited = {key: value for key, value in os.environ.items() if key != "LENETX_DATA"}
        return subprocess.run(
            command, cwd=cwd, env=inherited | environment, capture_output=True, text=True, timeout=200, check=False
        )

    return run


@pytest.fixture
def small_disk(tmp_path):
    """The function that mounts a real disk of so many bytes; skips where mounting is not allowed."""
    mounted = []

    def mount(size, name="disk"):
        folder = tmp_path / name
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "lenetx-test", str(folder)]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"a disk cannot be mounted here: {error}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def read_only():
    """The function that makes a disk from ``small_disk`` read-only, for root too."""

    def protect(folder):
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        return folder

    return protect


@pytest.fixture(scope="session")
def mnist_root():
    """The folder of the real MNIST, from the environment."""
    if not os.environ.get("LENETX_DATA"):
        pytest.skip("LENETX_DATA does not say where MNIST is")
    return Path(os.environ["LENETX_DATA"])
