"""Define and check the configuration of a training run."""

import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from lenetx_runtime.spec import INTERPOLATIONS, POLARITIES

from .. import data, models
from ..errors import InputError, UnknownName
from ..models.arguments import parse_size
from .augment import Augmentation
from .freeze import patterns

__all__ = ["LOSSES", "OPTIMIZERS", "SCHEDULES", "TrainConfig"]

LOSSES = ("cross-entropy", "nll", "mse")
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "one-cycle", "linear", "cosine")
_WITH_WARM_UP = ("one-cycle", "linear")
KEPT = ("best", "last")
_ADDED = ("interpolation", "resize")
"""Fields that ``to_mapping`` omits when they are ``None``."""

_LARGEST_SEED = 2**64 - 1
_SLIGHT = Augmentation(shift=1, rotate=8, scale=0.08)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Configuration of one training run.

    Attributes:
        data: name of a data set, or the path of a custom one, of which a checkpoint records only the base name.
        architecture: the network, as ``lenetx.models.resolve`` takes it; a checkpoint records it without a path.
        architecture_args: arguments for the network's factory, by name; plain JSON values.
        input_size: (height, width) of the input; when ``None``, the network's, or else the images'.
        channels: channels of the input, 1 (grey) or 3 (RGB); when ``None``, the network's, or else the images'.
        epochs: passes over the training split; the data set's default when ``None``.
        batch_size: images per step; an incomplete last batch of an epoch is dropped. The data set's default when
            ``None``.
        learning_rate: maximum of the schedule.
        seed: for the initial weights, the order of images, dropout and augmentation.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        loss: ``cross-entropy``, ``nll``, or ``mse`` on one-hot labels.
        label_smoothing: at least 0.0 and less than 1.0; only for ``cross-entropy``.
        optimizer: ``sgd``, ``adam`` or ``adamw``.
        momentum: momentum of SGD, or first beta of the other optimizers. When ``None``, it is 0.9; with ``one-cycle``
            it falls from 0.95 to 0.85 and rises again while the learning rate rises and falls.
        second_moment: second beta of Adam and AdamW.
        weight_decay: applied to every parameter; decoupled in AdamW.
        schedule: learning rate schedule: ``constant``; ``one-cycle`` (L. N. Smith, N. Topin, "Super-Convergence",
            2018), which rises and falls along half cosines; ``linear``, the same along straight lines; or ``cosine``,
            which falls to 0.
        warm_up: fraction of the run in which the learning rate of ``one-cycle`` and ``linear`` rises; 0.2 when
            ``None``.
        gradient_clipping: maximum norm of all gradients together; no clipping when ``None``.
        ema: decay per step of an exponential moving average of the weights, which is validated and kept instead of
            them; early in the run the decay is limited to (1 + n) / (10 + n) after n steps. No average when ``None``.
        patience: epochs without a better validation result after which training stops; no early stopping when
            ``None``.
        keep: ``best`` keeps the weights of the epoch with the best validation result, ``last`` those of the last epoch.
        hardest: fraction of the training images that every epoch but the first uses: those with the largest loss when
            they were last seen; all images when ``None``.
        augmentation: limits of the random changes to images; ``Augmentation()`` for none.
        amp: compute in bfloat16 where torch's autocast considers it safe.
        freeze: patterns of parameter names, such as ``conv*``; parameters that match are not trained.
        framing: how images become frames, ``mnist``, ``stretch``, ``letterbox`` or ``crop``; the data set's own when
            ``None``.
        interpolation, resize: of the framing, see ``lenetx.weights.statement.Statement``; ``to_mapping`` omits
            ``None``.
        classes: number of classes of a data set with numeric labels; when ``None``, as many as it has.

    Raises:
        UnknownName: the data set, network or another name is unknown.
        InputError: a value cannot be used, or contradicts another one.
    """

    data: str = data.DEFAULT
    architecture: str = models.DEFAULT
    architecture_args: Mapping[str, Any] = field(default_factory=dict)
    input_size: tuple[int, int] | None = None
    channels: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float = 0.003
    seed: int = 0
    device: str = "cpu"
    loss: str = "cross-entropy"
    label_smoothing: float = 0.0
    optimizer: str = "adam"
    momentum: float | None = None
    second_moment: float = 0.999
    weight_decay: float = 0.0
    schedule: str = "one-cycle"
    warm_up: float | None = None
    gradient_clipping: float | None = None
    ema: float | None = None
    patience: int | None = None
    keep: str = "best"
    hardest: float | None = None
    augmentation: Augmentation = _SLIGHT
    amp: bool = False
    freeze: tuple[str, ...] = ()
    framing: str | None = None
    interpolation: str | None = None
    resize: int | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        data.require_known(self.data)
        for kind, name, known in (
            ("loss", self.loss, LOSSES),
            ("optimizer", self.optimizer, OPTIMIZERS),
            ("schedule", self.schedule, SCHEDULES),
            ("choice of what to keep", self.keep, KEPT),
            *([("framing", self.framing, POLARITIES)] if self.framing is not None else []),
            *([("interpolation", self.interpolation, INTERPOLATIONS)] if self.interpolation is not None else []),
        ):
            _require_known(kind, name, known)
        models.require_name(self.architecture)
        if self.channels not in (None, 1, 3):
            raise InputError(f"The number of channels is {self.channels}; it must be 1 (grey) or 3 (RGB).")
        for name, number in (
            ("number of epochs", self.epochs),
            ("batch size", self.batch_size),
            ("patience", self.patience),
        ):
            if number is not None and number < 1:
                raise InputError(f"The {name} is {number}; it must be at least 1.")
        if self.classes is not None and self.classes < 2:
            raise InputError(f"The number of classes is {self.classes}; it must be at least 2.")
        if self.seed < 0:
            raise InputError(f"The seed is {self.seed}; it must not be negative.")
        if self.seed > _LARGEST_SEED:
            raise InputError(f"The seed is {self.seed}; it must be at most {_LARGEST_SEED}, the largest of torch.")
        patterns(self.freeze)
        self._require_numbers()
        self._require_no_contradiction()

    @property
    def resolved_momentum(self) -> float:
        """``momentum``, or 0.9 when it is ``None``."""
        return 0.9 if self.momentum is None else float(self.momentum)

    @property
    def resolved_warm_up(self) -> float:
        """``warm_up``, or 0.2 when it is ``None``."""
        return 0.2 if self.warm_up is None else self.warm_up

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Build a configuration from plain values by field name; ``augmentation`` is itself a mapping.

        Raises:
            UnknownName: a field does not exist.
            InputError: a value has the wrong type or cannot be used.
        """
        values = _checked(cls, values, "setting")
        if "augmentation" in values:
            if not isinstance(values["augmentation"], Mapping):
                raise InputError("The setting augmentation must be a table.")
            changes = _checked(Augmentation, values["augmentation"], "augmentation")
            values = {**values, "augmentation": replace(_SLIGHT, **changes)}
        if "freeze" in values:
            values = {**values, "freeze": patterns(values["freeze"])}
        if values.get("input_size") is not None:
            values = {**values, "input_size": parse_size(values["input_size"])}
        if not isinstance(values.get("architecture_args", {}), Mapping):
            raise InputError("The setting architecture_args must be a table.")
        return cls(**values)

    def to_mapping(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, which ``from_mapping`` takes."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {name: value for name, value in values.items() if name not in _ADDED or value is not None}

    def _require_numbers(self) -> None:
        below_one = "at least 0 and less than 1"
        for name, value, fits, wanted in (
            ("learning rate", self.learning_rate, lambda v: 0 < v < math.inf, "positive"),
            ("label smoothing", self.label_smoothing, lambda v: 0 <= v < 1, below_one),
            ("momentum", self.momentum, lambda v: 0 <= v < 1, below_one),
            ("second moment", self.second_moment, lambda v: 0 <= v < 1, below_one),
            ("weight decay", self.weight_decay, lambda v: 0 <= v < math.inf, "0 or more"),
            ("warm-up", self.warm_up, lambda v: 0 < v < 1, "more than 0 and less than 1"),
            ("share of the hardest images", self.hardest, lambda v: 0 < v < 1, "more than 0 and less than 1"),
            ("gradient clipping", self.gradient_clipping, lambda v: 0 < v < math.inf, "positive"),
            ("decay of the EMA", self.ema, lambda v: 0 < v < 1, "more than 0 and less than 1"),
        ):
            if value is not None and not fits(value):
                raise InputError(f"The {name} is {value}; it must be {wanted}.")

    def _require_no_contradiction(self) -> None:
        if self.label_smoothing and self.loss != "cross-entropy":
            raise InputError(f"Label smoothing is for the cross-entropy; the loss is {self.loss}.")
        if self.warm_up is not None and self.schedule not in _WITH_WARM_UP:
            raise InputError(f"A warm-up is for the schedules one-cycle and linear; the schedule is {self.schedule}.")


def _require_known(kind: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise UnknownName(kind, name, known)


def _checked(kind: type, values: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Check that each value belongs to a field of the class and has its type, and return the values."""
    types: dict[str, Any] = {each.name: each.type for each in fields(kind)}
    for name, value in values.items():
        _require_known(what, name, types)
        wanted = types[name]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fraction = number and (isinstance(value, float) or abs(value) <= sys.float_info.max)
        right: dict[Any, bool] = {
            str: isinstance(value, str),
            bool: isinstance(value, bool),
            int | None: value is None or (number and isinstance(value, int)),
            str | None: value is None or isinstance(value, str),
            int: number and isinstance(value, int),
            float: fraction,
            float | None: value is None or fraction,
        }
        if not right.get(wanted, True):
            raise InputError(f"The {what} {name} is {value!r}, not of type {getattr(wanted, '__name__', wanted)}.")
    return dict(values)
