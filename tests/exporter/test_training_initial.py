"""Fine-tuning: where training begins, and what stays as it was."""

import dataclasses

import pytest
import torch

import lenetx
from lenetx import Statement, TrainConfig, WeightsOptions, models, train
from lenetx.errors import CheckpointError, InputError
from lenetx.training import InitialWeights, settle
from lenetx.weights.plain_tensors import weights_sha256

QUICK = TrainConfig(epochs=1, batch_size=400)


@pytest.fixture
def letters(tmp_path, saved):
    """Weights of a lenet5 for 26 classes."""
    torch.manual_seed(1)
    path = tmp_path / "letters.pth"
    path.write_bytes(saved(models.build("lenet5", (1, 32, 32), 26).state_dict()))
    return path


@pytest.fixture
def begun(tmp_path, saved):
    """A lenet5-bn with running statistics of its own, and its file."""
    torch.manual_seed(2)
    network = models.build("lenet5-bn", (1, 32, 32), 10)
    network(torch.randn(8, 1, 32, 32))
    path = tmp_path / "bn.pth"
    path.write_bytes(saved(network.state_dict()))
    return path, network.state_dict()


def test_training_begins_with_the_weights_of_the_file(checkpoint, checkpoint_paths):
    """At a rate of next to nothing it ends there too."""
    slow = dataclasses.replace(QUICK, learning_rate=1e-12)
    found = train(slow, init=checkpoint_paths["lenet5"])
    for name, tensor in checkpoint.state_dict.items():
        assert torch.allclose(found.state_dict[name], tensor, atol=1e-9)
    assert found.metrics["test_accuracy"] == checkpoint.metrics["test_accuracy"]


def test_the_same_file_and_seed_give_the_same_weights(checkpoint_paths, letters):
    for path in (checkpoint_paths["lenet5"], letters):
        first, again = (train(QUICK, init=path) for _ in range(2))
        assert first.spec.weights_sha256 == again.spec.weights_sha256
    other = train(dataclasses.replace(QUICK, seed=1), init=letters)
    assert other.spec.weights_sha256 != first.spec.weights_sha256


def test_where_it_began_is_recorded_without_a_path(checkpoint, checkpoint_paths):
    found = train(QUICK, init=checkpoint_paths["lenet5"])
    assert found.config["init"] == {"name": "lenet5.pt", "weights_sha256": checkpoint.spec.weights_sha256}
    assert "init" not in checkpoint.config


def test_another_number_of_classes_gets_a_new_head_and_that_is_said(letters):
    notices = []
    frozen = dataclasses.replace(QUICK, freeze=("conv*", "fc1*", "fc2*"))
    found = train(frozen, init=letters, on_notice=notices.append)
    assert notices == [f"'{letters}' is for 26 classes, and there are 10 here: fc3 is newly initialised."]
    given = torch.load(letters, weights_only=True)
    assert all(torch.equal(found.state_dict[name], given[name]) for name in given if not name.startswith("fc3"))
    assert found.state_dict["fc3.weight"].shape == (10, 84)


def test_the_new_head_is_that_of_the_seed(letters, checkpoint):
    torch.manual_seed(5)
    fresh = models.build("lenet5", (1, 32, 32), 10)
    torch.manual_seed(5)
    network = models.build("lenet5", (1, 32, 32), 10)
    InitialWeights.read(letters).put_into(network, models.resolve("lenet5"), checkpoint.spec, lambda _: None)
    assert torch.equal(network.fc3.weight, fresh.fc3.weight)
    assert torch.equal(network.fc3.bias, fresh.fc3.bias)
    assert not torch.equal(network.fc2.weight, fresh.fc2.weight)


OWN = """
from torch import nn
class Net(nn.Module):
    def __init__(self, num_classes=10, width=4):
        super().__init__()
        self.out = nn.Linear(width, num_classes)
        self.conv = nn.Conv2d(1, width, 5)
    def forward(self, x):
        return self.out(self.conv(x).mean((2, 3)))
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "net.py").write_text(OWN)
    return f"{tmp_path / 'net.py'}:Net"


def test_the_head_is_found_wherever_the_network_registers_it(tmp_path, saved, own):
    state = models.resolve(own).build((1, 28, 28), 4).state_dict()
    (tmp_path / "four.pth").write_bytes(saved({"model." + name: tensor for name, tensor in state.items()}))
    notices = []
    config = dataclasses.replace(QUICK, architecture=own, freeze=("conv*",))
    found = train(config, init=tmp_path / "four.pth", on_notice=notices.append)
    assert notices == [
        "'four.pth': the prefix 'model.' of the names was removed.",
        f"'{tmp_path / 'four.pth'}' is for 4 classes, and there are 10 here: out is newly initialised.",
    ]
    assert torch.equal(found.state_dict["conv.weight"], state["conv.weight"])


def test_input_framing_and_arguments_are_those_of_the_checkpoint(tmp_path, own):
    config = dataclasses.replace(
        QUICK, architecture=own, architecture_args={"width": 3}, input_size=(20, 24), framing="letterbox"
    )
    lenetx.save(train(config), tmp_path / "a.pt")
    initial = InitialWeights.read(tmp_path / "a.pt")
    found = settle({"architecture": own}, initial=initial)
    assert (found.input_size, found.channels, found.framing) == ((20, 24), 1, "letterbox")
    assert found.architecture_args == {"width": 3}
    told = settle({"architecture": own, "framing": "stretch", "architecture_args": {"width": 4}}, initial=initial)
    assert (told.framing, told.architecture_args) == ("stretch", {"width": 4})
    assert "interpolation" not in found.to_mapping()
    larger = settle({"architecture": own, "input_size": (32, 32)}, initial=initial)
    assert (larger.input_size, larger.framing) == ((32, 32), None)
    assert settle({"architecture": "lenet5"}, initial=initial).input_size is None


def test_resize_and_interpolation_are_those_of_the_checkpoint(tmp_path):
    config = dataclasses.replace(QUICK, framing="crop", interpolation="bicubic", resize=36)
    lenetx.save(train(config), tmp_path / "a.pt")
    spec = lenetx.load(tmp_path / "a.pt").spec
    assert (spec.framing, spec.interpolation, spec.resize, spec.padding) == ("crop", "bicubic", 36, 0)
    found = settle({}, initial=InitialWeights.read(tmp_path / "a.pt"))
    assert (found.framing, found.interpolation, found.resize) == ("crop", "bicubic", 36)
    with pytest.raises(InputError, match=r"The framing crop cannot be used: .*resize is 20, not 32"):
        train(dataclasses.replace(config, resize=20))


def test_more_than_another_number_of_classes_is_another_network(saved, letters):
    content = torch.load(letters, weights_only=True)
    content["fc3.weight"] = torch.zeros(26, 85)
    letters.write_bytes(saved(content))
    with pytest.raises(CheckpointError, match=r"fc3\.weight has shape \[26, 85\] instead of \[10, 84\]"):
        train(QUICK, init=letters)


def test_a_checkpoint_of_another_network_is_refused_even_where_all_fits(checkpoint_paths):
    with pytest.raises(CheckpointError, match=r"holds weights of lenet5-1998, not of lenet5\."):
        train(QUICK, init=checkpoint_paths["lenet5-1998"])


def test_the_architecture_is_that_of_the_checkpoint_unless_someone_says_it(checkpoint_paths, letters, tmp_path):
    initial = InitialWeights.read(checkpoint_paths["lenet5-1998"])
    assert settle({}, initial=initial).architecture == "lenet5-1998"
    assert settle({"architecture": "lenet5"}, initial=initial).architecture == "lenet5"
    (tmp_path / "train.toml").write_text('architecture = "lenet5"')
    assert settle({}, file=tmp_path / "train.toml", initial=InitialWeights.read(letters)).architecture == "lenet5"
    with pytest.raises(InputError, match="name it with --arch"):
        settle({}, initial=InitialWeights.read(letters))


@pytest.mark.parametrize("change", [{}, {"ema": 0.9}, {"weight_decay": 0.5, "optimizer": "adamw"}], ids=str)
def test_what_is_frozen_keeps_every_bit_and_the_rest_learns(begun, change):
    path, before = begun
    config = TrainConfig(architecture="lenet5-bn", batch_size=400, epochs=2, freeze=("conv*", "bn1*"), **change)
    after = train(config, init=path).state_dict
    frozen = [name for name in before if name.startswith(("conv", "bn1."))]
    assert len(frozen) == 9  # two convolutions, and a norm with its statistics and their count
    for name, tensor in before.items():
        same = torch.equal(after[name], tensor)
        assert same == (name in frozen), name


def test_statistics_of_a_norm_that_learns_do_move(begun):
    path, before = begun
    config = TrainConfig(architecture="lenet5-bn", batch_size=400, epochs=1, freeze=("bn1.weight",))
    after = train(config, init=path).state_dict
    assert torch.equal(after["bn1.weight"], before["bn1.weight"])
    assert not torch.equal(after["bn1.running_mean"], before["bn1.running_mean"])


def test_nothing_is_frozen_by_itself(checkpoint_paths):
    assert train(QUICK, init=checkpoint_paths["lenet5"]).config["freeze"] == []
    frozen = train(dataclasses.replace(QUICK, freeze=("fc1*",)), init=checkpoint_paths["lenet5"])
    assert frozen.config["freeze"] == ["fc1*"]
    assert weights_sha256(frozen.state_dict) == frozen.spec.weights_sha256


@pytest.mark.parametrize(
    ("freeze", "words"),
    [
        (("konv*",), r"'konv\*' matches no parameter; there are: conv1\.weight, conv1\.bias"),
        (("conv*", "Fc1*"), r"'Fc1\*' matches no parameter"),
        (("conv*", "fc*"), r"Every parameter is frozen by conv\*, fc\*"),
    ],
)
def test_patterns_that_mean_nothing_are_refused(freeze, words):
    with pytest.raises(InputError, match=words):
        train(dataclasses.replace(QUICK, freeze=freeze))


@pytest.mark.parametrize("value", ["conv*", [3], None])
def test_patterns_are_a_list(value):
    with pytest.raises(InputError, match="not a list of patterns"):
        TrainConfig.from_mapping({"freeze": value})
    with pytest.raises(InputError, match="not a list of patterns"):
        lenetx.TrainConfig(freeze=value)


def test_a_stated_normalisation_is_that_of_the_inputs_also_of_a_resumed_run(letters, tmp_path):
    options = WeightsOptions("lenet5", stated=Statement("mnist", (0.25,), (0.5,)))
    config = dataclasses.replace(QUICK, epochs=2)
    whole = train(config, init=letters, weights_options=options)
    assert (whole.spec.mean, whole.spec.std) == ((0.25,), (0.5,))

    def stop(_):
        raise KeyboardInterrupt

    state = tmp_path / "run.resume"
    with pytest.raises(KeyboardInterrupt):
        train(config, init=letters, weights_options=options, on_epoch=stop, state=state, save_every=0)
    resumed = train(state=state, resume=True)
    assert resumed.spec == whole.spec
    assert resumed.config == whole.config


def test_a_changed_network_begins_with_the_weights_only_if_that_is_accepted(tmp_path):
    path = tmp_path / "net.py"
    source = (
        "from torch import nn\ndef net(classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(784, classes))\n"
    )
    path.write_text(f"# {tmp_path.name}\n{source}")
    config = dataclasses.replace(QUICK, architecture=f"{path}:net", input_size=(28, 28), channels=1)
    lenetx.save(train(config), tmp_path / "net.pt")
    path.rename(tmp_path / "renamed.py")
    again = dataclasses.replace(config, architecture=f"{tmp_path}/renamed.py:net")
    assert train(again, init=tmp_path / "net.pt").spec.architecture.startswith("renamed.py:net@")
    path.write_text(f"# changed, {tmp_path.name}\n{source}")
    with pytest.raises(CheckpointError, match=r"\(digest of its source: .*\), not of .*: add --accept-code"):
        train(config, init=tmp_path / "net.pt")
    notices = []
    options = WeightsOptions(accept_code=True)
    train(config, init=tmp_path / "net.pt", weights_options=options, on_notice=notices.append)
    assert any("was accepted in place of net.py:net" in notice for notice in notices)
