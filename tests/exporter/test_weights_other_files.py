"""Files that hold no weights in a form that is read: each error says how to get them out."""

import gzip
import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
import torch
from onnx import helper

from lenetx import weights
from lenetx.errors import CheckpointError


def tarred(data):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("weights.pth")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def exported(_):
    program = torch.export.export(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    return buffer.getvalue()


def onnx_model():
    node = helper.make_node("Relu", ["x"], ["y"])
    given, wanted = (helper.make_tensor_value_info(name, 1, [1]) for name in "xy")
    return helper.make_model(helper.make_graph([node], "g", [given], [wanted]))


def zipped(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("run {1}/weights.pth", data)
    return buffer.getvalue()


OTHERS = {
    "gzip": (gzip.compress, "unpack it first, with 'gunzip weights.bin'"),
    "zip": (zipped, r"zip archive of other files \(weights.pth\): unpack it"),
    "tar": (tarred, "unpack it, with 'tar xf weights.bin'"),
    "pickle": (lambda _: pickle.dumps({"weight": np.ones(2)}), r"torch\.save\(state_dict, 'weights\.pth'\)"),
    "LFS": (lambda _: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git lfs pull"),
    "page": (lambda _: b"\n<!DOCTYPE html><html>404</html>", "web page"),
    "HDF5": (lambda _: b"\x89HDF\r\n\x1a\n" + b"\0" * 99, r"model\.state_dict\(\)"),
    "program": (exported, r"program of torch.export: save the state_dict of what torch.export.load\('weights.bin'\)"),
    "ONNX": (lambda _: onnx_model().SerializeToString(), "It is an ONNX model, .* give the one that it was made from"),
    "npy": (lambda _: b"\x93NUMPY\x01\x00v\x00", "np.savez"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_files_of_another_kind_are_told_how_to_become_weights(tmp_path, saved, kind):
    make, words = OTHERS[kind]
    path = tmp_path / "weights.bin"
    path.write_bytes(make(saved({"weight": torch.ones(1)})))
    with pytest.raises(CheckpointError, match=words):
        weights.read(path)
