"""Which of several sets of weights in a file is taken."""

import pytest
import torch

from lenetx import weights


@pytest.fixture
def read(tmp_path, saved):
    """The function that reads what ``torch.save`` made of a content."""

    def run(content, **options):
        (tmp_path / "weights.bin").write_bytes(saved(content))
        return weights.read(tmp_path / "weights.bin", **options)

    return run


def test_of_several_weights_the_usual_ones_are_taken_with_a_note(read):
    notices = []
    content = {"net": {"weight": torch.zeros(2, 2)}, "model": {"weight": torch.ones(2, 2)}}
    assert read(content, on_notice=notices.append).tensors["weight"].all()
    said = (
        "Of several sets of weights (net, model), those under 'model' were taken; save another one by itself to use it."
    )
    assert notices == [said]


@pytest.mark.parametrize(
    "average",
    [
        lambda tensors: {"ema": tensors},
        lambda tensors: {"model_ema": tensors},
        lambda tensors: {"state_dict_ema": tensors},
        lambda tensors: {"ema": {"module": tensors, "updates": 30, "decay": 0.999}},
    ],
)
@pytest.mark.parametrize("name", ["model", "state_dict"])
def test_a_moving_average_is_what_is_published(read, average, name):
    """As timm and ultralytics do."""
    notices = []
    content = {name: {"weight": torch.zeros(2, 2)}, "optimizer": {}, **average({"weight": torch.ones(2, 2)})}
    assert read(content, on_notice=notices.append).tensors["weight"].all()
    assert "were taken; save another one by itself" in notices[0]
    assert read(content | {name: None}).tensors["weight"].all()
