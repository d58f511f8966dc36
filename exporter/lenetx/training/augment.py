"""Augment a whole batch on its device: one affine map and one smooth displacement per image, in one resampling.

Source of the elastic part: P. Y. Simard, D. Steinkraus, J. C. Platt, "Best Practices for Convolutional Neural Networks
Applied to Visual Document Analysis", ICDAR 2003; random displacements of a coarse grid of control points replace their
smoothed noise.
"""

import math
from dataclasses import astuple, dataclass

import torch
from torch import Tensor, nn

from ..errors import InputError
from .parallel import ALONE, Group

__all__ = ["Augmentation", "Augmenter"]

_CONTROL_POINTS = 5
"""Per side: about one every 8 pixels for an image of 32."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Limits of the random changes to an image; 0 disables a change.

    Each change is drawn uniformly between minus and plus its limit, except that ``scale`` is uniform on a logarithmic
    scale and ``elastic`` is normally distributed.

    Attributes:
        shift: pixels, per axis.
        rotate: degrees.
        scale: relative change of size, drawn per axis: 0.1 scales by 1/1.1 to 1.1.
        shear: horizontal shift of a row, in pixels per pixel of height.
        elastic: standard deviation of the displacement of each control point, in pixels.

    Raises:
        InputError: a value is negative, not finite, or so large that nothing of the image is left.
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        for name, most in (("shift", 1000), ("rotate", 180), ("scale", 9), ("shear", 9), ("elastic", 100)):
            value = getattr(self, name)
            if not 0 <= value <= most:
                raise InputError(f"The augmentation's {name} is {value}; it must be 0 to {most}.")

    def __bool__(self) -> bool:
        """Return whether any change is enabled."""
        return any(astuple(self))


class Augmenter:
    """Augment batches of one image size.

    The sampling grid of a batch is one matrix product: the random coefficients of each image times the effect of each
    coefficient on each pixel. The coefficients are drawn on the CPU, so that they are the same for every device.

    Args:
        how: limits of the changes.
        height, width: size of the images, in pixels.
        device: device of the batches.
        draws: random number generator, on the CPU.
        group: processes that share each batch; each draws the coefficients of the whole batch and uses its share.
    """

    def __init__(
        self,
        how: Augmentation,
        height: int,
        width: int,
        device: torch.device,
        draws: torch.Generator,
        group: Group = ALONE,
    ) -> None:
        self._how, self._height, self._width, self._device, self._draws = how, height, width, device, draws
        self._basis, self._group = _basis(height, width).to(device), group

    def __call__(self, inputs: Tensor, whole: int | None = None) -> Tensor:
        """Return float32[B, C, H, W] inputs changed at random; pixels from outside the image repeat its border.

        Args:
            inputs: a batch, or this process's share of one.
            whole: number of images in the whole batch; B when ``None``.
        """
        coefficients = self._group.share(self._coefficients(whole or len(inputs))).flatten(0, 1).to(self._device)
        grid = (coefficients @ self._basis).view(-1, 2, self._height, self._width).permute(0, 2, 3, 1)
        return nn.functional.grid_sample(inputs, grid, padding_mode="border", align_corners=False)

    def _coefficients(self, count: int) -> Tensor:
        """Return float32[B, 2, 3 + P²]: per image and axis, a row of the affine map, then the control points."""
        how = self._how
        turn, stretch_x, stretch_y, shear, right, down = 2 * torch.rand(6, count, generator=self._draws) - 1
        angle = turn * math.radians(how.rotate)
        width, height = (torch.exp(part * math.log1p(how.scale)) for part in (stretch_x, stretch_y))
        cosine, sine = angle.cos(), angle.sin()
        slant = shear * how.shear
        aspect = self._height / self._width
        rows = torch.zeros(count, 2, self._basis.shape[0])
        rows[:, 0, 0] = width * cosine
        rows[:, 0, 1] = width * (slant * cosine - sine) * aspect
        rows[:, 0, 2] = right * how.shift * 2 / self._width
        rows[:, 1, 0] = height * sine / aspect
        rows[:, 1, 1] = height * (slant * sine + cosine)
        rows[:, 1, 2] = down * how.shift * 2 / self._height
        if how.elastic:
            pixels = torch.tensor([2 / self._width, 2 / self._height]).view(1, 2, 1)
            points = torch.randn(count, 2, _CONTROL_POINTS**2, generator=self._draws)
            rows[:, :, 3:] = points * how.elastic * pixels
        return rows


def _basis(height: int, width: int) -> Tensor:
    """Return float32[3 + P², H·W]: x, y, 1 and the weight of each control point at each pixel; x and y are −1 to 1."""
    x = ((torch.arange(width) + 0.5) * 2 / width - 1).expand(height, width)
    y = ((torch.arange(height) + 0.5) * 2 / height - 1)[:, None].expand(height, width)
    points = torch.eye(_CONTROL_POINTS**2).view(-1, 1, _CONTROL_POINTS, _CONTROL_POINTS)
    smooth = nn.functional.interpolate(points, (height, width), mode="bicubic", align_corners=True)
    return torch.cat([torch.stack([x, y, torch.ones(height, width)]), smooth[:, 0]]).flatten(1)
