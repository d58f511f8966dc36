import pytest

import lenetx_runtime
from lenetx_runtime import ArtifactError, DeviceUnavailable, EngineMissing, InputError, LenetxError, errors


@pytest.mark.parametrize(
    ("error", "status"),
    [(LenetxError, 2), (InputError, 2), (DeviceUnavailable, 3), (EngineMissing, 3), (ArtifactError, 4)],
)
def test_every_error_carries_the_documented_exit_code(error, status):
    assert error.exit_code == status
    assert error("what to do").exit_code == status


@pytest.mark.parametrize("name", errors.__all__)
def test_one_base_catches_every_error_and_keeps_its_text(name):
    with pytest.raises(LenetxError, match=r"^what to do$"):
        raise getattr(errors, name)("what to do")


def test_a_bad_input_is_also_a_value_error():
    with pytest.raises(ValueError, match=r"^what to do$"):
        raise InputError("what to do")


def test_the_tree_in_the_docstring_names_every_error_and_the_package_offers_each():
    for name in errors.__all__:
        assert name in errors.__doc__
        assert getattr(lenetx_runtime, name) is getattr(errors, name)
