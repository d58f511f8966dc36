"""torchvision beside whatever torch is installed, in processes that have not imported it yet."""

import json

import pytest

pytestmark = pytest.mark.slow

FRESH = """
import json, torch
from lenetx.torchvision_loader import import_torchvision
torchvision = import_torchvision()
from torchvision import datasets, models, transforms
network = models.resnet18(weights=None, num_classes=3).eval()
print(json.dumps({
    "same": import_torchvision() is torchvision,
    "dataset": datasets.MNIST.__name__,
    "logits": list(network(torch.zeros(1, 3, 64, 64)).shape),
    "resized": list(transforms.Resize(8)(torch.zeros(1, 32, 32)).shape),
}))
"""

AFTER_A_FAILURE = """
import json
try:
    import torchvision
    failure = None
except RuntimeError as error:
    failure = str(error)
from lenetx.torchvision_loader import import_torchvision
print(json.dumps({"failure": failure, "version": import_torchvision().__version__}))
"""


def test_datasets_models_and_transforms_are_usable(python):
    done = python("-W", "error", "-c", FRESH)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"same": True, "dataset": "MNIST", "logits": [1, 3], "resized": [1, 8, 8]}


OF_A_USER = """
from pathlib import Path
Path("mynet.py").write_text('''
import torch.nn as nn
def net(num_classes=10):
    import torchvision.models
    from torchvision import transforms
    return torchvision.models.squeezenet1_1(weights=None, num_classes=num_classes)
''')
from lenetx import models
print(models.resolve("mynet.py:net").build((3, 32, 32), 4).num_classes)
"""


def test_a_file_of_the_user_imports_it_as_it_is(python):
    done = python("-c", OF_A_USER)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "4\n"


def test_it_mends_an_import_that_failed_before(python):
    done = python("-c", AFTER_A_FAILURE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    if found["failure"] is None:
        pytest.skip("this torchvision imports beside this torch without help")
    assert "operator torchvision::nms does not exist" in found["failure"]
    assert found["version"]
