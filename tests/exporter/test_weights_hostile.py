"""Files of weights that hold code: it runs where it is trusted, and nowhere else."""

import io
import pickle
import pickletools
import sys
import tarfile
import zipfile
from collections import OrderedDict

import pytest
import torch
from torch import nn

import lenetx
from lenetx import weights
from lenetx.errors import CheckpointError, InputError
from lenetx.training import InitialWeights, TrainConfig, train

OWN = """
from pathlib import Path
from lenetx.models.lenet5 import LeNet5
class Own(LeNet5):
    def __setstate__(self, state):
        Path({marker!r}).touch()
        super().__setstate__(state)
"""


@pytest.fixture
def marker(tmp_path):
    """A file that exists once code of a file has run."""
    return tmp_path / "it-ran"


@pytest.fixture
def own_module(tmp_path, marker, monkeypatch, saved):
    """A module of a custom class, which can be imported here, as bytes."""
    (tmp_path / "nets_of_others.py").write_text(OWN.format(marker=str(marker)))
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__("nets_of_others")
    return saved(module.Own())


def rewritten(data, **records):
    """Return an archive with other records."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(buffer, "w") as changed:
        for name in archive.namelist():
            record = name.split("/", 1)[-1]
            changed.writestr(name, records.get(record.replace(".", "_"), archive.read(name)))
    return buffer.getvalue()


def elsewhere(data, module, instead_of=b"torch.nn.modules.linear\n"):
    """Return an archive whose layers are of another module."""
    record = next(name for name in zipfile.ZipFile(io.BytesIO(data)).namelist() if name.endswith("/data.pkl"))
    pickled = zipfile.ZipFile(io.BytesIO(data)).read(record)
    return rewritten(data, data_pkl=pickled.replace(instead_of, module, 1))


def scripted():
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), buffer)
    return buffer.getvalue()


@pytest.fixture
def hostile(marker, planted, saved):
    attack = planted(marker)
    old = io.BytesIO()
    torch.save({"weight": torch.ones(1), "extra": attack}, old, _use_new_zipfile_serialization=False)
    return {
        "among the weights": saved({"weight": torch.ones(1), "extra": attack}),
        "instead of them": saved(attack),
        "old form": old.getvalue(),
        "in a module": elsewhere(saved(nn.Sequential(nn.Linear(2, 2))), b"os\n"),
        "in TorchScript": rewritten(scripted(), data_pkl=pickle.dumps(attack, protocol=2)),
    }


KINDS = ["among the weights", "instead of them", "old form", "in a module", "in TorchScript"]


@pytest.mark.parametrize("kind", KINDS)
def test_code_is_refused_in_one_sentence_and_does_not_run(tmp_path, hostile, marker, kind):
    path = tmp_path / "hostile.pt"
    path.write_bytes(hostile[kind])
    for attempt in (
        lambda: weights.read(path),
        lambda: lenetx.load_weights(path, architecture="lenet5"),
        lambda: lenetx.convert(path, tmp_path / "out.pth"),
        lambda: train(TrainConfig(epochs=1), init=path),
        lambda: InitialWeights.read(path),
    ):
        with pytest.raises(CheckpointError) as caught:
            attempt()
        assert "executed" in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "weights_only" not in str(caught.value)
    assert not marker.exists()
    assert not (tmp_path / "out.pth").exists()


def test_torchscript_is_never_run_even_where_it_is_trusted(tmp_path, hostile, marker):
    path = tmp_path / "hostile.pt"
    path.write_bytes(hostile["in TorchScript"])
    with pytest.raises(CheckpointError):
        weights.read(path, trust_pickle=True)
    assert not marker.exists()


def test_code_of_torchscript_is_not_even_read(tmp_path):
    """libtorch would compile it and run a __setstate__; its text here is none of TorchScript."""
    data = scripted()
    names = [name for name in zipfile.ZipFile(io.BytesIO(data)).namelist() if name.endswith(".py")]
    assert names
    for name in names:
        data = rewritten(data, **{name.split("/", 1)[-1].replace(".", "_"): b"def __setstate__(:\n"})
    path = tmp_path / "scripted.pt"
    path.write_bytes(data)
    with pytest.raises(RuntimeError):
        torch.jit.load(path)
    assert list(weights.read(path).tensors) == ["weight", "bias"]


@pytest.mark.parametrize("trust", [False, True])
def test_the_weights_of_a_custom_class_are_read_and_its_code_does_not_run(tmp_path, own_module, marker, trust):
    path = tmp_path / "own.pt"
    path.write_bytes(own_module)
    checkpoint = lenetx.load_weights(path, architecture="lenet5", trust_pickle=trust)
    assert checkpoint.module()
    assert not marker.exists()
    with pytest.raises(
        InputError, match=r"its class is Own, so give --arch FILE\.py:Own with the file that has it; they fit lenet5"
    ):
        lenetx.load_weights(path)


def test_a_program_runs_only_where_it_is_trusted(tmp_path, hostile, marker):
    path = tmp_path / "hostile.pt"
    path.write_bytes(hostile["among the weights"])
    notices = []
    weights.read(path, trust_pickle=True, on_notice=notices.append)
    assert marker.exists()
    assert notices[0] == f"Code in '{path}' is run, since its pickle is trusted: it needs builtins.getattr."


def test_trust_runs_nothing_that_is_read_without_it(tmp_path, saved, checkpoint):
    path = tmp_path / "plain.pth"
    path.write_bytes(saved(dict(checkpoint.state_dict)))
    notices = []
    weights.read(path, trust_pickle=True, on_notice=notices.append)
    assert notices == []


def test_a_trusted_class_is_found_in_the_current_folder_and_else_named(tmp_path, saved, monkeypatch):
    (tmp_path / "lists_of_others.py").write_text("class Log(list):\n    pass\n")
    with monkeypatch.context() as there:
        there.syspath_prepend(tmp_path)
        content = {"net": {"weight": torch.ones(1)}, "log": __import__("lists_of_others").Log([1])}
        (tmp_path / "own.pt").write_bytes(saved(content))
        del sys.modules["lists_of_others"]
    with pytest.raises(CheckpointError, match=r"lists_of_others.*must be importable here"):
        weights.read(tmp_path / "own.pt", trust_pickle=True)
    monkeypatch.chdir(tmp_path)
    assert list(weights.read(tmp_path / "own.pt", trust_pickle=True).tensors) == ["weight"]


def test_a_known_class_is_not_made_but_stood_in_for(tmp_path, saved, monkeypatch):
    """Not even torch's own __setstate__ runs on the state that a file chooses."""
    data = saved(nn.Sequential(nn.Linear(2, 2)))

    def refuse(*_):
        raise AssertionError("a class of the pickle was made")

    monkeypatch.setattr(nn.Module, "__setstate__", refuse)
    (tmp_path / "module.pt").write_bytes(data)
    assert list(weights.read(tmp_path / "module.pt").tensors) == ["0.weight", "0.bias"]


def test_a_module_that_names_one_part_again_and_again_is_refused(tmp_path, saved):
    """Sixty small steps name more parts than any memory holds."""
    part = nn.Sequential(nn.Linear(1, 1))
    for _ in range(60):
        part = nn.Sequential(part, part)
    (tmp_path / "bomb.pt").write_bytes(saved(part))
    with pytest.raises(CheckpointError, match="names more layers and tensors than a network has"):
        weights.read(tmp_path / "bomb.pt")


def test_records_that_unpack_to_any_size_are_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(scripted())) as archive, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in archive.namelist():
            bomb.writestr(name, archive.read(name))
    (tmp_path / "bomb.pt").write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match="in it is compressed"):
        weights.read(tmp_path / "bomb.pt")


def legacy_with(*extra):
    """A file of the older form whose last pickle asks for a lot of memory."""
    buffer = io.BytesIO()
    torch.save({"weight": torch.ones(1)}, buffer, _use_new_zipfile_serialization=False)
    data = buffer.getvalue()
    place = 0
    for _ in range(4):
        stream = io.BytesIO(data[place:])
        list(pickletools.genops(stream))
        place += stream.tell()
    return data[:place] + b"".join(extra)


def tar_named(name):
    """A tar archive whose first bytes are those of the older form."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        entry = tarfile.TarInfo("x" * len(name))
        made.addfile(entry)
    header = bytearray(buffer.getvalue())
    header[: len(name)] = name
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    return bytes(header)


HUNGRY = b"\x80\x02cbuiltins\nbytearray\nJ\x00\x00\x00\x70\x85R."
MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9\x20j\xa8P\x19."


def test_what_torch_reads_is_what_was_looked_at(tmp_path, saved):
    """Other records than ``zipfile`` finds, pickles behind the fourth, a tar archive in disguise."""
    sound = saved({"weight": torch.ones(1)})
    files = {
        "a record in capitals": (with_record(sound, "DATA.PKL", pickle.dumps(1)), "could be taken for one another"),
        "a record of its own": (with_record(sound, "notes.txt", b""), "'notes.txt', which torch.save never writes"),
        "an archive behind the older form": (legacy_with(HUNGRY) + sound, "asks for a bytearray of any size"),
        "the fifth pickle": (legacy_with(HUNGRY), "asks for a bytearray of any size"),
        "a tar archive": (tar_named(MAGIC), "It is a tar archive"),
    }
    for kind, (data, reason) in files.items():
        path = tmp_path / "net.pth"
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match=reason) as caught:
            weights.read(path)
        assert "\n" not in str(caught.value), kind


def with_record(data, name, contents):
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))
        new.writestr(f"{old.namelist()[0].split('/')[0]}/{name}", contents)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor, :UserWarning")
def test_tensors_of_other_kinds_are_refused_by_name(tmp_path, saved):
    kinds = {
        "nested": torch.nested.nested_tensor([torch.zeros(3), torch.zeros(2)]),
        "sparse": torch.eye(3).to_sparse(),
        "meta": torch.zeros(3, device="meta"),
        "quantised": torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8),
    }
    for kind, tensor in kinds.items():
        path = tmp_path / f"{kind}.pth"
        path.write_bytes(saved({"weight": tensor}))
        with pytest.raises(CheckpointError, match=r"weight is not a dense tensor|were rejected and not executed"):
            weights.read(path)


@pytest.mark.parametrize("attribute", ["values", "keys", "__len__", "class of the pickle"])
def test_attributes_that_hide_what_a_dict_does_are_refused(tmp_path, saved, attribute):
    content = OrderedDict(weight=torch.zeros(2))
    content.__dict__[attribute] = 5
    (tmp_path / "w.pth").write_bytes(saved({"state_dict": content}))
    with pytest.raises(CheckpointError, match="It holds a dict with attributes that no weights need"):
        weights.read(tmp_path / "w.pth")


def test_a_dict_inside_itself_is_refused(tmp_path, saved):
    content = {}
    content["model"] = content
    (tmp_path / "w.pth").write_bytes(saved(content))
    with pytest.raises(CheckpointError, match="and no weights by name"):
        weights.read(tmp_path / "w.pth")
