"""The C file on emulated microcontrollers: `make test-mcu`. A processor whose tools are not installed is skipped."""

import re
import shutil

import numpy as np
import pytest

import lenetx
from lenetx.proof.compare import compare, shares

from .board import TARGETS, build, run
from .conftest import CHECKPOINT, row

pytestmark = pytest.mark.mcu
NO_FRAMES = np.zeros((0, 28, 28), np.uint8)


@pytest.mark.parametrize("optimize", ["-O2", "-Os"])
def test_the_logits_are_within_the_limits_of_the_proof(target, optimize, sources, images, folder, report):
    build(target, sources, folder, f"OPTIMIZE={optimize}")
    found = run(target, sources, folder, images.frames)
    probe = images.real
    checked = compare("firmware", "end to end", probe, found.logits)
    assert checked.status == "passed", checked.detail
    labels = images.checkpoint.spec.labels
    assert found.labels == [labels[index] for index in probe.exact.argmax(axis=1)]
    report(row(target, f"float32 {optimize}", sources, folder, found, float(shares(probe, found.logits).max())))


def test_every_picture_takes_about_as_long(target, sources, images, folder):
    """So that a worst case can be planned for."""
    build(target, sources, folder)
    counts = run(target, sources, folder, images.frames[:20]).instructions
    assert counts.min() > 100_000
    assert counts.max() < 1.2 * counts.min()


def test_without_pictures_it_tests_itself(target, sources, folder):
    build(target, sources, folder)
    found = run(target, sources, folder, NO_FRAMES)
    assert found.passed
    assert len(found.logits) == 0


class TestFaults:
    """One flipped bit of one weight; on one processor, as the kind of processor makes no difference."""

    @pytest.fixture
    def target(self):
        found = TARGETS["cortex-m4"]
        if found.missing:
            pytest.skip(found.missing)
        return found

    @pytest.fixture
    def faulty(self, sources, tmp_path):
        """The function that gives a copy of the sources with the highest bit of a weight's fraction flipped."""

        def flipped(weight):
            folder = tmp_path / "faulty"
            shutil.copytree(sources, folder)
            text = (folder / "lenet5.c").read_text()
            numbers = re.finditer(r"-?0x[01]\.?[0-9a-f]*p[+-]\d+", text)
            (place,) = (each for each in numbers if np.float32(float.fromhex(each[0])) == weight)
            other = np.array([weight], np.float32).view(np.uint32) ^ np.uint32(1 << 22)
            text = f"{text[: place.start()]}{float(other.view(np.float32)[0]).hex()}{text[place.end() :]}"
            (folder / "lenet5.c").write_text(text)
            return folder

        return flipped

    def test_the_self_test_on_the_processor_sees_it(self, target, faulty, folder):
        weight = lenetx.load(CHECKPOINT).state_dict["conv1.weight"].numpy()
        broken = faulty(weight.flat[np.abs(weight).argmax()])
        build(target, broken, folder)
        assert "self-test failed" in run(target, broken, folder, NO_FRAMES).text

    def test_the_images_show_what_the_self_test_cannot(self, target, faulty, images, folder):
        """A weight of a unit that is 0 for all images of the self-test."""
        broken = faulty(_hidden_weight(images))
        build(target, broken, folder)
        found = run(target, broken, folder, images.frames)
        assert found.passed
        assert compare("firmware", "end to end", images.real, found.logits).status == "failed"


def _hidden_weight(images):
    """Return the largest weight in ``fc1`` of an input that only images outside the self-test turn on."""
    import torch

    from lenetx_runtime.preprocess import normalise

    spec, (network, _) = images.checkpoint.spec, images.modules
    golden = np.frombuffer(spec.selftest.images, np.uint8).reshape(-1, *spec.frame_shape)
    seen = []
    hook = network.fc1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].amax(0)))
    with torch.no_grad():
        for frames in (golden, images.frames):
            network(torch.from_numpy(normalise(frames, spec)))
    hook.remove()
    hidden = torch.where(seen[0] == 0, seen[1], 0)
    assert hidden.max() > 0
    weights = network.fc1.weight[:, hidden.argmax()].detach().numpy()
    return weights[np.abs(weights).argmax()]
