"""Networks that fix a dtype somewhere, in float64: each against the same function written in float64 by hand."""

import copy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from lenetx import models
from lenetx.errors import InputError
from lenetx.execution.copies import copy_sharing_tensors
from lenetx.execution.float64 import Float64Network
from lenetx.graph.fold import fold

EDGES = torch.tensor([[[[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]]])
ROWS = torch.linspace(0, 1, 8)


class Net(nn.Module):
    def __init__(self, before=lambda image: image):
        super().__init__()
        self.before = before
        self.conv, self.fc = nn.Conv2d(1, 3, 3), nn.Linear(108, 4)

    def forward(self, image):
        return self.fc(torch.relu(self.conv(self.before(image))).flatten(1))


def onto_zeros(image):
    canvas = torch.zeros(len(image), 1, 8, 8)
    view = canvas[:, :, :4]
    canvas[:, :, 2:6] = image[:, :, 2:6] / 3
    view += 0.1
    return canvas


def in_place(image):
    image -= 0.25
    image.flatten(1).mul_(1.1)
    image.unsqueeze_(0)
    return image[0]


def onto_zeros_double(image):
    canvas = torch.zeros_like(image)
    canvas[:, :, 2:6] = image[:, :, 2:6] / 3
    canvas[:, :, :4] += 0.1
    return canvas


def in_place_double(image):
    return (image - 0.25) * 1.1


def share(image):
    mask = (image > 0).float()
    return 30 * mask / (mask.sum(dim=(1, 2, 3), keepdim=True) + 0.1)


def share_double(image):
    mask = (image > 0).double()
    return 30 * mask / (mask.sum(dim=(1, 2, 3), keepdim=True) + 0.1)


def checked(image):
    assert image.dtype == torch.get_default_dtype() == torch.float32
    return image / 3


THIRD = 0.1307
"""As float32 holds it where a tensor is made of it, and exactly where it is a number."""
FLOAT32 = torch.tensor(THIRD).double()

BY_HAND = {
    "float": (lambda x: x.float() / 3, lambda x: x / 3),
    "to float32": (lambda x: x.to(torch.float32) / 3, lambda x: x / 3),
    "type": (lambda x: x.type(torch.FloatTensor) / 3, lambda x: x / 3),
    "default dtype": (lambda x: x.to(torch.get_default_dtype()) / 3, lambda x: x / 3),
    "asserted dtype": (checked, lambda x: x / 3),
    "sum as float32": (
        lambda x: 30 * x / x.abs().sum((2, 3), True, dtype=torch.float32),
        lambda x: 30 * x / x.abs().sum((2, 3), True),
    ),
    "there and back": (lambda x: (x.double() / 3).float(), lambda x: x / 3),
    "constant": (lambda x: (x - torch.tensor(THIRD)) / 3, lambda x: (x - FLOAT32) / 3),
    "number": (lambda x: (x - THIRD) / 3, lambda x: (x - THIRD) / 3),
    "numpy": (lambda x: x * torch.from_numpy(ROWS.numpy()), lambda x: x * ROWS.double()),
    "constant of the file": (lambda x: F.conv2d(x, EDGES, padding=1), lambda x: F.conv2d(x, EDGES.double(), padding=1)),
    "made of a range": (
        lambda x: x + torch.arange(8).float() / 7,
        lambda x: x + (torch.arange(8).float() / 7).double(),
    ),
    "zeros": (lambda x: x / 3 + torch.zeros(len(x), 1, 8, 8), lambda x: x / 3),
    "like": (lambda x: x / 3 + torch.ones_like(x, dtype=torch.float32), lambda x: x / 3 + 1),
    "mask": (lambda x: x / 3 * (x > 0.1).float(), lambda x: x / 3 * (x > 0.1)),
    "share of a mask": (share, share_double),
    "one hot": (
        lambda x: x + F.one_hot(torch.zeros(8, dtype=torch.long), 8).float() / 3,
        lambda x: x + F.one_hot(torch.zeros(8, dtype=torch.long), 8).float().div(3).double(),
    ),
    "written into zeros": (onto_zeros, onto_zeros_double),
    "written into the input": (in_place, in_place_double),
    "fourier": (lambda x: torch.fft.fft2(x).real / 3, lambda x: torch.fft.fft2(x).real / 3),
}


@pytest.fixture(scope="module")
def images():
    return torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", BY_HAND)
def test_a_network_is_computed_in_float64_whatever_dtype_its_code_names(name, images):
    torch.manual_seed(0)
    ours, by_hand = BY_HAND[name]
    network = Net(ours).eval()
    right = Net(by_hand).double().eval()
    right.load_state_dict(network.state_dict())
    with torch.no_grad():
        expected, eager = right(images.double()), network(images.clone())
    found = Float64Network(network)(images.double())
    assert found.dtype == torch.float64
    assert type(found) is torch.Tensor
    assert (found - expected).abs().max() < 1e-14
    assert (found - eager).abs().max() > 1e-10, "float32 has not so many digits"
    assert torch.equal(network(images.clone()), eager), "the network is as it was"


class Listed(Net):
    def __init__(self):
        super().__init__()
        self.more = [nn.Conv2d(1, 1, 3, padding=1)]

    def forward(self, image):
        return super().forward(self.more[0](image))


class Recurrent(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True, **options)
        self.fc = nn.LazyLinear(4)

    def forward(self, image):
        return self.fc(self.lstm(image[:, 0])[0][:, -1])


@pytest.mark.parametrize(
    "make",
    [
        Recurrent,
        lambda: Recurrent(bidirectional=True, num_layers=2),
        lambda: Recurrent(bias=False),
        lambda: nn.Sequential(nn.Flatten(1, 2), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Flatten()),
        lambda: nn.Sequential(nn.Flatten(1, 2), nn.GRU(8, 4, batch_first=True)),
        lambda: models.build("lenet5-bn", (1, 32, 32), 10),
    ],
    ids=["lstm", "deep lstm", "lstm without bias", "transformer", "gru", "batch norm"],
)
def test_it_is_what_the_same_network_of_float64_weights_gives(make):
    torch.manual_seed(0)
    network = make().eval()
    side = 32 if hasattr(network, "conv1") else 8
    images = torch.randn(3, 1, side, side)
    network(images)
    if isinstance(network[-1] if isinstance(network, nn.Sequential) else None, nn.GRU):
        network.append(First())
    right = copy.deepcopy(network).double()
    with torch.no_grad():
        expected = right(images.double())
    assert (Float64Network(network)(images.double()) - expected).abs().max() < 1e-14


class First(nn.Module):
    def forward(self, results):
        return results[0].flatten(1)


def test_layers_in_a_plain_list_compute_in_float64_too(images):
    torch.manual_seed(0)
    network = Listed().eval()
    right = Net(nn.Conv2d(1, 1, 3, padding=1)).double().eval()
    right.load_state_dict(network.state_dict() | {f"before.{k}": v for k, v in network.more[0].state_dict().items()})
    assert (Float64Network(network)(images.double()) - right(images.double())).abs().max() < 1e-14


def test_a_copy_and_a_folded_network_share_what_is_there():
    network = models.build("lenet5-bn", (1, 32, 32), 10).eval()
    double = Float64Network(network)
    names = double.names()
    folded = Float64Network(fold(copy_sharing_tensors(network), (1, 32, 32)), twins=double.twins).names()
    assert names == double.copied().names()
    assert set(names.values()) == {name for name, _ in [*network.named_parameters(), *network.named_buffers()]}
    kept = {place for place, name in folded.items() if name == "fc3.weight"}
    assert kept == {place for place, name in names.items() if name == "fc3.weight"}
    assert not {place for place, name in folded.items() if name == "conv1.weight"} & names.keys()


class Numpy(Net):
    def forward(self, image):
        return super().forward(torch.from_numpy(image.numpy() / 3))


def test_what_cannot_be_computed_in_float64_is_one_sentence_about_their_code(images):
    with pytest.raises(InputError, match=r"^mine raised \w+ in line \d+ of test_float64.py in float64: .+\.$"):
        Float64Network(Numpy().eval(), "mine")(images.double())
