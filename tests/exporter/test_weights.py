"""The files that hold weights: every kind gives the same tensors, told by what it holds."""

import argparse
import collections
import datetime
import io
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as as_safetensors
from torch import nn

from lenetx import models, weights
from lenetx.errors import CheckpointError, InputError

OLD = {"_use_new_zipfile_serialization": False}


class Scaled(nn.Module):
    """Lists, dicts and numbers beside its weights, which TorchScript packs in its own ways."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(3)
        self.sizes, self.rates, self.flags, self.by_name = [1, 2], [0.5], [True], {"a": 1}

    def forward(self, x):
        return self.norm(self.fc(x)) * self.rates[0]


def of_another_program(net):
    """Save a module of a class that is in no module here, with the network's layers."""
    there = types.ModuleType("program_of_someone")
    exec("from torch import nn\nclass Custom(nn.Module):\n    pass\n", there.__dict__)
    sys.modules[there.__name__] = there
    try:
        custom = there.Custom()
        for name, layer in net.named_children():
            custom.add_module(name, layer)
        return torch_saved(custom)
    finally:
        del sys.modules[there.__name__]


OBJECTS = {
    "args": argparse.Namespace(lr=0.1, when=datetime.datetime(2024, 1, 1)),
    "best": np.float64(0.99),
    "losses": np.array([1.0, 2.0]),
    "seen": collections.defaultdict(list, {"loss": [1.0]}),
    "place": Path("runs"),
    "table": collections.Counter("aab"),
}


LIGHTNING = {
    "epoch": 1,
    "global_step": 10,
    "pytorch-lightning_version": "2.5.0",
    "hparams_name": "kwargs",
    "hyper_parameters": {"lr": 1e-3, "width": torch.ones(3, 3), "loss": nn.CrossEntropyLoss()},
    "callbacks": {"ModelCheckpoint{'monitor': 'loss'}": {"best_model_path": "a.ckpt", "best_k_models": {}}},
    "loops": {"fit_loop": {"state_dict": {}, "epoch_progress": {"total": {"ready": 2}}}},
    "lr_schedulers": [{"last_epoch": 1, "_last_lr": [0.001]}],
}


def momentum(net):
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    for parameter in net.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer.state_dict()


def as_npz(tensors):
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.asarray(tensor) for name, tensor in tensors.items()})
    return buffer.getvalue()


def torch_saved(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def from_a_gpu(content, **options):
    """The bytes of a file whose storages are tagged ``cuda:0``, in either form, as if a GPU had held them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
        data = torch_saved(content, **options)
    assert b"cuda:0" in data
    return data


def scripted(module):
    buffer = io.BytesIO()
    torch.jit.save(module, buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    network = models.build("lenet5-bn", (1, 32, 32), 10)
    network(torch.randn(8, 1, 32, 32))  # so that the running statistics are not their first values
    return network.eval()


@pytest.fixture
def read(tmp_path):
    def run(data, name="weights.bin", **options):
        (tmp_path / name).write_bytes(data)
        return weights.read(tmp_path / name, **options)

    return run


FILES = {
    "state_dict": ("state_dict", lambda net: torch_saved(net.state_dict())),
    "state_dict, old form": ("state_dict", lambda net: torch_saved(net.state_dict(), **OLD)),
    "state_dict in a dict": ("state_dict", lambda net: torch_saved({"epoch": 3, "state_dict": net.state_dict()})),
    "model_state_dict": ("state_dict", lambda net: torch_saved({"model_state_dict": net.state_dict(), "loss": 0.1})),
    "model": ("state_dict", lambda net: torch_saved({"model": net.state_dict(), "args": {"lr": 1}})),
    "any one key": ("state_dict", lambda net: torch_saved({"encoder_q": net.state_dict(), "acc": 99.1, "epoch": 3})),
    "a usual key beside another": (
        "state_dict",
        lambda net: torch_saved({"ema": net.state_dict(), "net": net.state_dict()}),
    ),
    "with its optimizer": (
        "state_dict",
        lambda net: torch_saved({"weights": net.state_dict(), "optimizer": momentum(net)}),
    ),
    "list": ("state_dict", lambda net: torch_saved([net.state_dict()])),
    "Lightning": (
        "state_dict",
        lambda net: torch_saved({"state_dict": net.state_dict(), **LIGHTNING, "optimizer_states": [momentum(net)]}),
    ),
    "from a GPU": ("state_dict", lambda net: from_a_gpu(net.state_dict())),
    "from a GPU, old form": ("state_dict", lambda net: from_a_gpu(net.state_dict(), **OLD)),
    "whole module from a GPU": ("module", lambda net: from_a_gpu(net)),
    "tuple": ("state_dict", lambda net: torch_saved((net.state_dict(), 3))),
    "numpy arrays": ("state_dict", lambda net: torch_saved({k: v.numpy() for k, v in net.state_dict().items()})),
    "objects beside": ("state_dict", lambda net: torch_saved({"state_dict": net.state_dict(), **OBJECTS})),
    "objects beside, old form": (
        "state_dict",
        lambda net: torch_saved({"state_dict": net.state_dict(), **OBJECTS}, **OLD),
    ),
    "wrapped module": ("module", lambda net: torch_saved(nn.DataParallel(net))),
    "compiled module": ("module", lambda net: torch_saved(torch.compile(net))),
    "compiled and wrapped": ("module", lambda net: torch_saved({"net": nn.DataParallel(torch.compile(net)), "at": 1})),
    "flags and methods beside": (
        "state_dict",
        lambda net: torch_saved({"state_dict": net.state_dict(), "f": re.I | re.M, "m": nn.Identity().forward}),
    ),
    "module of a custom class": (
        "module",
        lambda net: of_another_program(net),
    ),
    "npz": ("npz", lambda net: as_npz(net.state_dict())),
    "nested": ("state_dict", lambda net: torch_saved({"model": {"state_dict": net.state_dict()}})),
    "module": ("module", torch_saved),
    "module in a dict": ("module", lambda net: torch_saved({"model": net, "epoch": 3})),
    "safetensors": ("safetensors", lambda net: as_safetensors(net.state_dict())),
    "scripted": ("torchscript", lambda net: scripted(torch.jit.script(net))),
    "traced": ("torchscript", lambda net: scripted(torch.jit.trace(net, torch.zeros(1, 1, 32, 32)))),
}


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file_gives_every_bit(network, read, kind):
    name, write = FILES[kind]
    found = read(write(network))
    assert (found.kind, found.spec, found.is_lenetx) == (name, None, False)
    expected = network.state_dict()
    assert found.tensors.keys() == expected.keys()
    for each, tensor in found.tensors.items():
        assert tensor.dtype == expected[each].dtype
        assert torch.equal(tensor, expected[each])
        assert not tensor.requires_grad


def test_the_order_of_a_module_is_that_of_its_state_dict(network, read):
    assert list(read(torch_saved(network)).tensors) == list(network.state_dict())


def test_a_module_of_torch_alone_needs_no_trust(read):
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2, affine=False), nn.Flatten(), nn.Linear(8, 3, bias=False))
    found = read(torch_saved(net))
    assert list(found.tensors) == list(net.state_dict())


def test_buffers_that_are_not_saved_are_no_weights(read):
    net = nn.Sequential(nn.Linear(2, 2))
    net[0].register_buffer("cache", torch.zeros(5), persistent=False)
    assert list(read(torch_saved(net)).tensors) == ["0.weight", "0.bias"]


def test_scripted_modules_may_hold_more_than_tensors(read):
    net = Scaled()
    found = read(scripted(torch.jit.script(net)))
    assert found.tensors.keys() == net.state_dict().keys()


def test_views_and_tied_weights_are_copies(read):
    table = torch.arange(6.0).view(2, 3)
    found = read(torch_saved({"a": table, "b": table.t(), "c": table[:, 1:]}))
    assert torch.equal(found.tensors["b"], table.t())
    assert all(tensor.is_contiguous() for tensor in found.tensors.values())
    found.tensors["a"].zero_()
    assert torch.equal(found.tensors["c"], table[:, 1:])


def test_what_lenetx_made_is_told_from_the_rest(checkpoint_paths, published):
    found = weights.read(checkpoint_paths["lenet5"])
    assert (found.kind, found.is_lenetx) == ("checkpoint", True)
    found = weights.read(published / "lenet5.torchscript")
    assert (found.kind, found.is_lenetx, found.spec.architecture) == ("torchscript", False, "lenet5")
    assert "fc3.weight" in found.tensors


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n", b"\x00" * 99, b"PK\x03\x04 and no more"])
def test_other_files_are_of_no_kind(read, data):
    assert read(data) is None


def test_no_file_is_bad_input(tmp_path):
    with pytest.raises(InputError, match="There is no checkpoint"):
        weights.read(tmp_path / "nothing.pt")


REFUSED = {
    "nothing": ({}, "It holds no tensors"),
    "a list": ([torch.ones(1)], "It holds a list, and no weights by name"),
    "a number for a name": ({3: torch.ones(1)}, "Beside tensors it holds 3"),
    "two networks": (
        {"G": {"a": torch.ones(2, 2)}, "D": {"b": torch.ones(2, 2)}},
        r"several sets of weights \(G, D\): save the one you need by itself, as in torch\.save\(content\['G'\]",
    ),
    "complex": ({"weight": torch.ones(1, dtype=torch.complex64)}, "weight holds complex numbers"),
    "sparse": ({"weight": torch.eye(3).to_sparse()}, "weight is not a dense tensor"),
    "repeated": ({"weight": torch.zeros(1).expand(2**40)}, "far larger than the file"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_weights_is_refused_by_name(read, kind):
    content, words = REFUSED[kind]
    with pytest.raises(CheckpointError, match=words) as caught:
        read(torch_saved(content))
    assert "weights.bin" in str(caught.value)


def test_what_is_no_tensor_is_left_out_with_a_note(read):
    notices = []
    found = read(torch_saved({"weight": torch.ones(1), "epoch": 3, "args": OBJECTS["args"]}), on_notice=notices.append)
    assert list(found.tensors) == ["weight"]
    assert notices == ["Left out of 'weights.bin', because they are not tensors: epoch, args."]


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", "<f8", "<i8", "|u1"])
def test_arrays_of_any_order_and_kind_are_tensors_of_the_same_numbers(read, dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    for data in (torch_saved({"a": array, "b": np.asfortranarray(array)}), as_npz({"a": array})):
        for tensor in read(data).tensors.values():
            assert tensor.tolist() == array.tolist()


def test_an_object_that_is_filled_in_its_own_way_needs_trust(read):
    content = {"state_dict": {"weight": torch.ones(1)}, "last": collections.deque([1], 3)}
    with pytest.raises(CheckpointError, match=r"needs collections\.deque, .*--trust-pickle"):
        read(torch_saved(content))
    assert list(read(torch_saved(content), trust_pickle=True).tensors) == ["weight"]


def test_a_frozen_archive_has_no_names(network, read):
    frozen = torch.jit.freeze(torch.jit.trace(network, torch.zeros(1, 1, 32, 32)))
    with pytest.raises(CheckpointError, match="frozen TorchScript archive, in which weights have no names"):
        read(scripted(frozen))


@pytest.mark.parametrize("kind", ["state_dict", "state_dict, old form", "safetensors", "scripted", "module"])
def test_a_file_that_is_cut_off_is_refused(network, read, kind):
    data = FILES[kind][1](network)
    for size in (len(data) // 2, len(data) - 7, 40):
        try:
            assert read(data[:size]) is None
        except CheckpointError:
            continue
