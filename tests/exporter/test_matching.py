"""Names of tensors are matched with those of a network: prefixes go where the rest fits, and shapes alone do not do."""

import pytest
import torch

import lenetx
from lenetx import Statement, WeightsOptions
from lenetx.errors import CheckpointError, InputError


def renamed(checkpoint, prefix, **others):
    return {**{prefix + name: tensor for name, tensor in checkpoint.state_dict.items()}, **others}


@pytest.mark.parametrize(
    ("prefix", "others", "left"),
    [
        ("model.", {}, None),
        ("net.backbone.", {}, None),
        ("model.module.", {"ema.n": torch.zeros(1)}, "ema.n"),
        ("model.", {"criterion.weight": torch.ones(10)}, "criterion.weight"),
        (
            "",
            {"criterion.weight": torch.ones(10), "conv1.total_ops": torch.ones(1)},
            "criterion.weight, conv1.total_ops",
        ),
    ],
)
def test_prefixes_and_what_belongs_to_the_training_are_taken_away_with_a_note(
    tmp_path, saved, checkpoint, prefix, others, left
):
    (tmp_path / "w.pth").write_bytes(saved(renamed(checkpoint, prefix, **others)))
    notices = []
    found = lenetx.load_weights(tmp_path / "w.pth", architecture="lenet5", on_notice=notices.append)
    assert found.spec.weights_sha256 == checkpoint.spec.weights_sha256
    said = [f"the prefix '{prefix}' of the names was removed"] if prefix else []
    said += [f"{left} left out, which the network does not have"] if left else []
    assert notices == [f"'w.pth': {'; '.join(said)}."]
    with pytest.raises(InputError, match="they fit lenet5, lenet5-1998"):
        lenetx.load_weights(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "prefix",
    [
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "module.module.",
        "backbone.net.",
        "a.b.model.",
    ],
)
def test_stacked_prefixes_are_taken_away_with_a_note(tmp_path, saved, checkpoint, prefix):
    (tmp_path / "w.pth").write_bytes(saved(renamed(checkpoint, prefix)))
    notices = []
    found = lenetx.load_weights(tmp_path / "w.pth", architecture="lenet5", on_notice=notices.append)
    assert found.spec.weights_sha256 == checkpoint.spec.weights_sha256
    assert notices == [f"'w.pth': the prefix '{prefix}' of the names was removed."]


PARTS = """
from torch import nn
class Net(nn.Module):
    def __init__(self, wrap):
        super().__init__()
        self.features, self.module = nn.Conv2d(1, 2, 3), nn.Linear(2, 4)
        if wrap:
            self.features = nn.DataParallel(self.features)
    def forward(self, x):
        return self.module(self.features(x).mean((2, 3)))
def plain():
    return Net(False)
def parallel():
    return Net(True)
"""
BARE = {"features.weight": (2, 1, 3, 3), "features.bias": (2,), "module.weight": (4, 2), "module.bias": (4,)}


@pytest.mark.parametrize("name", ["plain", "parallel"])
@pytest.mark.parametrize(
    "instead", ["features.", "features.module.", "features._orig_mod.", "features.module._orig_mod."]
)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_parts_that_were_wrapped_by_themselves_fit_and_own_names_stay(tmp_path, saved, name, instead, prefix):
    (tmp_path / "parts.py").write_text(PARTS)
    state = {prefix + key.replace("features.", instead): torch.randn(shape) for key, shape in BARE.items()}
    (tmp_path / "w.pth").write_bytes(saved(state))
    notices = []
    options = WeightsOptions(f"{tmp_path}/parts.py:{name}", stated=Statement(input_size=(20, 20), channels=1))
    found = lenetx.load_weights(tmp_path / "w.pth", weights_options=options, on_notice=notices.append)
    assert torch.equal(found.state_dict["module.weight"], state[f"{prefix}module.weight"])
    assert torch.equal(found.module()(torch.ones(2, 1, 20, 20))[0], found.module()(torch.ones(2, 1, 20, 20))[1])
    exact = not prefix and instead == ("features.module." if name == "parallel" else "features.")
    assert len(notices) == (not exact)


def test_a_prefix_whose_rest_does_not_fit_stays(tmp_path, saved, checkpoint):
    state = renamed(checkpoint, "module.")
    del state["module.fc3.bias"]
    (tmp_path / "w.pth").write_bytes(saved(state))
    with pytest.raises(CheckpointError, match=r"missing fc3\.bias.*unexpected module\.conv1\.bias"):
        lenetx.load_weights(tmp_path / "w.pth", architecture="lenet5")


def test_two_tensors_cannot_have_one_name(tmp_path, saved, checkpoint):
    state = renamed(checkpoint, "") | {"_orig_mod.fc3.bias": torch.zeros(10)}
    (tmp_path / "w.pth").write_bytes(saved(state))
    with pytest.raises(CheckpointError, match=r"unexpected _orig_mod\.fc3\.bias"):
        lenetx.load_weights(tmp_path / "w.pth", architecture="lenet5")


def test_a_layer_too_many_is_another_network(tmp_path, saved, checkpoint):
    (tmp_path / "w.pth").write_bytes(saved(renamed(checkpoint, "", **{"bn1.weight": torch.ones(6)})))
    with pytest.raises(CheckpointError, match=r"not those of lenet5: unexpected bn1\.weight"):
        lenetx.load_weights(tmp_path / "w.pth", architecture="lenet5")
