"""A division on which torch may end the process is in no file that is run; others are."""

import numpy as np
import pytest
import torch
from torch import nn

import lenetx
from lenetx import formats
from lenetx.data import archive
from lenetx.errors import ArtifactError, InputError
from lenetx.formats.network import Network

IMAGES = np.full((2, 1, 4, 4), 0.75, np.float32)
FORGED = {
    "torchscript": (b'torch.div(_2, 3, rounding_mode="trunc")', b'torch.div(_2, -1, rounding_mode="trunc")'),
    "pt2": (b'"arg":{"as_int":3}', b'"arg":{"as_int":-1}'),
}


class Net(nn.Module):
    """Of images below -1, the quotient is of the lowest int32."""

    input_shape = (1, 4, 4)

    def __init__(self, divisor=3):
        super().__init__()
        self.dense, self.divisor = nn.Linear(16, 3), divisor

    def forward(self, x):
        whole = torch.div((x * 1e30 - 1e30).to(torch.int32), self.divisor, rounding_mode="trunc")
        return self.dense(x.flatten(1)) + whole.to(torch.float32).flatten(1)[:, :3]


@pytest.mark.parametrize("kind", FORGED)
def test_a_divisor_that_may_end_the_process_is_refused(tmp_path, kind):
    module = Net().eval()
    path = tmp_path / f"net.{kind}"
    path.write_bytes(formats.export(kind, Network(lenetx.Checkpoint.of(module))))
    with torch.no_grad():
        right = module(torch.from_numpy(IMAGES)).numpy()
    np.testing.assert_allclose(formats.open_artifact(path).backend.run(IMAGES), right, rtol=1e-5)
    old, new = FORGED[kind]
    records = archive.unpack(path.read_bytes())
    assert sum(old in contents for contents in records.values()) == 1
    path.write_bytes(archive.pack({name: contents.replace(old, new) for name, contents in records.items()}))
    with pytest.raises(ArtifactError, match="div rounds towards zero, where the lowest integer ÷ -1"):
        formats.open_artifact(path)


@pytest.mark.parametrize("kind", FORGED)
def test_a_network_with_such_a_divisor_is_not_exported(kind):
    network = Network(lenetx.Checkpoint.of(Net(-3).eval()))
    with pytest.raises((ArtifactError, InputError), match="div rounds towards zero"):
        formats.export(kind, network)
