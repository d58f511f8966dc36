"""The framing ``crop`` against torchvision's own transforms of Pillow images, bit for bit."""

import io

import numpy as np
import PIL.Image
import pytest
import torch

import lenetx
from lenetx.torchvision_loader import import_torchvision
from lenetx_runtime import ModelSpec
from lenetx_runtime.errors import InputError
from lenetx_runtime.preprocess import decode, frame, frame_batch, normalise
from lenetx_runtime.preprocess.frames import Framer

SIZES = [(1, 1), (1, 7), (9, 1), (3, 5), (31, 32), (32, 33), (47, 101), (64, 64), (65, 64), (240, 320), (333, 500)]
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def spec_of(resize, height, width, interpolation, channels=3, framing="crop"):
    mean, std = (MEAN, STD) if channels == 3 else (MEAN[:1], STD[:1])
    return ModelSpec(
        "net", channels, height, width, 0, 1 / 255, mean, std, ("a", "b"), "ab" * 32, "tests",
        framing=framing, interpolation=interpolation, polarity="as_is", resize=resize,
    )  # fmt: skip


def transforms_of(spec):
    import_torchvision()
    from torchvision import transforms

    size = spec.resize if spec.framing == "crop" else (spec.resize, spec.resize)
    mode = transforms.InterpolationMode(spec.interpolation)
    return transforms.Compose([transforms.Resize(size, mode), transforms.CenterCrop((spec.height, spec.width))])


def picture(height, width, mode):
    levels = np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 4), np.uint8)
    levels[..., 3] = 255
    return PIL.Image.fromarray(levels).convert(mode)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize("framing", ["crop", "stretch"])
@pytest.mark.parametrize(("resize", "height", "width"), [(64, 56, 56), (37, 32, 32), (33, 32, 32), (40, 17, 40)])
def test_frames_have_the_bits_of_resize_and_center_crop(resize, height, width, framing, interpolation):
    spec = spec_of(resize, height, width, interpolation, framing=framing)
    theirs = transforms_of(spec)
    for size in SIZES:
        image = picture(*size, "RGB")
        assert np.array_equal(frame(decode(image, 3), spec), np.asarray(theirs(image))), size


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "CMYK"])
def test_every_mode_is_framed_as_its_conversion(mode):
    for channels, converted in ((3, "RGB"), (1, "L")):
        spec = spec_of(37, 32, 32, "bicubic", channels)
        image = picture(50, 71, mode)
        wanted = np.asarray(transforms_of(spec)(image.convert("RGB").convert(converted)))
        assert np.array_equal(frame(decode(image, channels), spec), wanted)


def test_an_image_of_the_frames_size_is_resized_too():
    spec = spec_of(37, 32, 32, "bilinear")
    image = picture(32, 32, "RGB")
    wanted = np.asarray(transforms_of(spec)(image))
    levels = np.asarray(image)
    assert np.array_equal(frame_batch(levels[None], spec)[0], wanted)
    framer = Framer(spec)
    assert not framer.have_size([levels])
    assert np.array_equal(framer.one(levels)[0], wanted)
    assert np.array_equal(framer.several([levels, image], 0)[0], [wanted, wanted])
    data = io.BytesIO()
    image.save(data, "PNG")
    assert np.array_equal(framer.one(data.getvalue())[0], wanted)


def test_an_image_of_the_frames_size_stays_where_nothing_is_cropped():
    spec = spec_of(32, 32, 32, "bilinear")
    levels = np.asarray(picture(32, 32, "RGB"))
    assert Framer(spec).have_size([levels])
    assert frame(levels, spec) is not None
    assert np.array_equal(frame(levels, spec), levels)


def test_an_image_that_would_grow_without_end_is_refused():
    with pytest.raises(InputError, match="1×200000 pixels: it is too narrow to resize its shorter side to 256"):
        frame(np.zeros((1, 200_000), np.uint8), spec_of(256, 224, 224, "bilinear", 1))


def test_a_module_in_memory_takes_the_framing_too():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 5)).eval()
    stated = {"framing": "crop", "interpolation": "bicubic", "resize": 36, "mean": MEAN, "std": STD}
    spec = lenetx.Checkpoint.of(module, input_shape=(3, 32, 32), **stated).spec
    assert (spec.framing, spec.interpolation, spec.resize) == ("crop", "bicubic", 36)


def test_inputs_are_those_of_totensor_and_normalize_within_two_roundings():
    import_torchvision()
    from torchvision import transforms

    spec = spec_of(32, 32, 32, "bilinear")
    levels = np.arange(1024, dtype=np.int64).reshape(32, 32, 1).repeat(3, axis=2).astype(np.uint8)
    theirs = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])(levels).numpy()
    ours = normalise(levels[None], spec)[0]
    level = levels.transpose(2, 0, 1) / 255
    exact = (level - np.array(MEAN)[:, None, None]) / np.array(STD)[:, None, None]
    assert np.abs(ours - exact).max() <= 2.0**-24 * np.abs(exact).max()
    assert np.abs(theirs - exact).max() <= 2.0**-24 * 3 * (1 + np.abs(exact).max()) / min(STD)
    assert torch.equal(torch.from_numpy(ours), torch.from_numpy(exact.astype(np.float32)))
