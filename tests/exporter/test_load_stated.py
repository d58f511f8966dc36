"""What a user states of weights that do not say it: preprocessing, labels and input."""

import pytest

import lenetx
from lenetx import Statement, WeightsOptions
from lenetx.errors import InputError


def test_what_is_stated_stands_in_the_spec(plain):
    stated = Statement("mnist", mean=(0.1307,), std=(0.3081,), labels=tuple("abcdefghij"))
    spec = lenetx.load_weights(plain, architecture="lenet5", stated=stated).spec
    assert (spec.framing, spec.polarity, spec.padding) == ("mnist", "light_on_dark", 2)
    assert (spec.mean, spec.std, spec.labels) == ((0.1307,), (0.3081,), tuple("abcdefghij"))


def test_an_artifact_of_third_party_weights_is_proven_by_another_version_of_lenetx(plain, tmp_path, monkeypatch):
    lenetx.export(lenetx.load_weights(plain, architecture="lenet5"), ["onnx"], folder=tmp_path)
    monkeypatch.setattr("lenetx.weights.stated_spec.PRODUCER", "lenetx 99.0")
    lenetx.verify(tmp_path / "lenet5.onnx", against=lenetx.load_weights(plain, architecture="lenet5")).raise_if_failed()


def test_mean_and_std_that_are_not_stated_are_told(plain):
    notices = []
    stated = Statement("stretch")
    spec = lenetx.load_weights(plain, architecture="lenet5", stated=stated, on_notice=notices.append).spec
    assert (spec.mean, spec.std) == ((0.0,), (1.0,))
    assert notices == ["No mean or std was stated; the inputs are assumed to be levels scaled to 0..1."]


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (Statement(labels=("a", "b")), "There are 2 labels, but the weights in '.*' are for 10"),
        (Statement("stretch", mean=(0.1, 0.2)), "There are 2 numbers in the mean for 1 channels"),
        (Statement(input_size=(28, 28)), "lenet5 takes inputs of 1×32×32"),
        (Statement(labels=("a",) * 10), None),
    ],
)
def test_what_cannot_be_is_refused(plain, stated, words):
    if words is None:
        notices = []
        found = lenetx.load_weights(plain, architecture="lenet5", stated=stated, on_notice=notices.append)
        assert found.spec.labels == ("a",) * 10
        assert notices == ["Several classes have the label 'a', so that their predictions look the same."]
        return
    with pytest.raises(InputError, match=words):
        lenetx.load_weights(plain, architecture="lenet5", stated=stated)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (Statement("stretch"), "records framing mnist, and --framing stretch contradicts it: leave --framing"),
        (Statement("mnist", mean=(0.5,)), "records mean 0.1559, and --mean 0.5 contradicts it"),
        (Statement(labels=("a", "b")), "records labels 0,1,2,3,4,5,6,7,8,9, and --labels a,b contradicts it"),
        (Statement(input_size=(28, 28)), "records input size 32x32, and --input-size 28x28 contradicts it"),
        (Statement(channels=3), "records channels 1, and --channels 3 contradicts it"),
    ],
)
def test_what_a_checkpoint_says_itself_is_not_overruled(checkpoint_paths, stated, words):
    with pytest.raises(InputError, match=words):
        lenetx.load_weights(checkpoint_paths["lenet5"], stated=stated)


def test_what_agrees_with_a_checkpoint_may_be_stated(checkpoint_paths, checkpoint):
    spec, notices = checkpoint.spec, []
    stated = Statement("mnist", spec.mean, spec.std, spec.labels, (32, 32), 1)
    found = lenetx.load_weights(checkpoint_paths["lenet5"], stated=stated, on_notice=notices.append)
    assert found.spec == spec
    assert notices == []


def test_a_checkpoint_that_does_not_say_it_may_be_told_later(plain, tmp_path):
    lenetx.save(lenetx.load_weights(plain, architecture="lenet5"), tmp_path / "mine.pt")
    found = lenetx.load_weights(tmp_path / "mine.pt", stated=Statement("letterbox"))
    assert found.spec.framing == "letterbox"
    with pytest.raises(InputError, match="--input-size 28x28 contradicts it"):
        lenetx.load_weights(tmp_path / "mine.pt", stated=Statement(input_size=(28, 28)))


def test_options_are_given_once(plain):
    options = WeightsOptions("lenet5")
    assert lenetx.load_weights(plain, weights_options=options).spec.architecture == "lenet5"
    with pytest.raises(InputError, match="`architecture` is given beside `weights_options`"):
        lenetx.load_weights(plain, architecture="lenet5", weights_options=options)
