"""Load weights into a network that was built for them."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["load_into"]


def load_into(network: "nn.Module", weights: "Mapping[str, Tensor]") -> None:
    """Copy tensors of the same names and shapes into a network; no state_dict version upgrade is applied."""
    state = OrderedDict(weights)
    state._metadata = network.state_dict()._metadata  # type: ignore[attr-defined]  # some networks read it
    network.load_state_dict(state)
