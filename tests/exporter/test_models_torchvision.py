"""torchvision's classifiers by name."""

import pytest

from lenetx import models
from lenetx.errors import InputError, UnknownName


def test_a_classifier_has_random_weights_and_as_many_classes_as_are_asked_for():
    found = models.resolve("torchvision:squeezenet1_1")
    assert (found.name, found.input_shape) == ("torchvision:squeezenet1_1", (3, 224, 224))
    assert found.build((3, 32, 32), 7).num_classes == 7


def test_a_size_or_a_channel_that_does_not_fit_is_told_what_does():
    with pytest.raises(InputError, match=r"but of 3 channels and 17×17 to 256×256 \(--input-size 28\)"):
        models.build("torchvision:squeezenet1_1", (3, 8, 8), 10)
    with pytest.raises(InputError, match=r"but of 3 channels \(--channels 3\)"):
        models.build("torchvision:squeezenet1_1", (1, 32, 32), 10)


def test_arguments_reach_the_constructor():
    found = models.resolve("torchvision:squeezenet1_1", {"dropout": 0.25})
    assert found.build((3, 32, 32), 10).classifier[0].p == 0.25
    with pytest.raises(InputError, match="torchvision:squeezenet1_1 raised TypeError"):
        models.resolve("torchvision:squeezenet1_1", {"depth": 3}).build((3, 32, 32), 10)


@pytest.mark.parametrize("name", ["weights", "weights_backbone", "progress"])
def test_nothing_is_downloaded(name):
    with pytest.raises(InputError, match="its weights are random"):
        models.resolve("torchvision:squeezenet1_1", {name: "DEFAULT"})


@pytest.mark.parametrize("name", ["resnet1", "fasterrcnn_resnet50_fpn", "get_model", "quantized_resnet18"])
def test_only_classifiers_are_there(name):
    with pytest.raises(UnknownName, match="There is no network of torchvision"):
        models.resolve(f"torchvision:{name}")


def test_auxiliary_heads_are_left_out():
    assert models.resolve("torchvision:googlenet").arguments["aux_logits"] is False
