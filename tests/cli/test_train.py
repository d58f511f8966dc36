"""``lenetx train``."""

import json
import re

import pytest

import lenetx

QUICK = ("--epochs", 2, "--batch-size", 200)
EPOCH = re.compile(
    r"epoch \d/2  loss \d\.\d{4}  accuracy \d+\.\d\d%  validation \d+\.\d\d%  [\d,]+ images/s  \d+ s left"
)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_it_writes_the_checkpoint_where_the_other_commands_look(cli, tmp_path, contents):
    result = cli("train", *QUICK)
    assert result.exit_code == 0
    assert list(contents(tmp_path)) == ["artifacts", "artifacts/lenet5.history.jsonl", "artifacts/lenet5.pt"]
    checkpoint = lenetx.load(tmp_path / "artifacts" / "lenet5.pt")
    assert checkpoint.config["epochs"] == 2
    assert checkpoint.config["batch_size"] == 200


def test_people_read_the_epochs_on_stderr_and_the_result_on_stdout(cli):
    result = cli("train", *QUICK)
    assert len([line for line in result.stderr.splitlines() if EPOCH.fullmatch(line)]) == 2
    lines = result.stdout.splitlines()
    metrics = lenetx.load("artifacts/lenet5.pt").metrics
    assert re.fullmatch(r"Lowest precision \d+\.\d\d% \(class \d\) and recall \d+\.\d\d% \(class \d\)\.", lines[-2])
    assert lines[-3] == (
        f"Test split, evaluated once: accuracy {metrics['test_accuracy']:.2%}, "
        f"average loss {metrics['test_loss']:.4f} over 360 images."
    )
    assert lines[-1] == "Wrote artifacts/lenet5.pt, the weights of epoch 2, which validation chose."


def test_json_is_one_document_on_stdout(cli):
    result = cli("train", *QUICK, "--json", "-o", "my model.pt")
    metrics = dict(lenetx.load("my model.pt").metrics)
    assert json.loads(result.stdout) == {"checkpoint": "my model.pt", "metrics": metrics}
    assert "epoch 1/2" in result.stderr


def test_quiet_says_nothing(cli, tmp_path):
    result = cli("train", *QUICK, "--quiet", "-o", tmp_path / "deep" / "quiet.pt")
    assert (result.stdout, result.stderr) == ("", "")
    assert (tmp_path / "deep" / "quiet.pt").exists()


def test_quiet_and_json_is_the_document_alone(cli):
    result = cli("train", *QUICK, "-q", "--json")
    assert json.loads(result.stdout)["metrics"]["test_images"] == 360
    assert result.stderr == ""


def test_every_option_reaches_the_training(cli):
    said = {
        "data": "digits",
        "architecture": "lenet5-3x3",
        "channels": 3,
        "epochs": 2,
        "batch_size": 200,
        "learning_rate": 0.002,
        "seed": 5,
        "device": "cpu",
        "loss": "cross-entropy",
        "label_smoothing": 0.1,
        "optimizer": "adamw",
        "momentum": 0.8,
        "weight_decay": 0.01,
        "schedule": "one-cycle",
        "warm_up": 0.3,
        "gradient_clipping": 2.0,
        "ema": 0.9,
        "patience": 7,
        "keep": "last",
        "hardest": 0.5,
        "amp": True,
        "framing": "stretch",
        "classes": 10,
    }
    augmentation = {"shift": 1.0, "rotate": 5.0, "scale": 0.1, "shear": 0.05, "elastic": 0.5}
    short = {"architecture": "arch", "learning_rate": "lr"}
    options = [
        part
        for name, value in (said | augmentation).items()
        for part in [f"--{short.get(name, name).replace('_', '-')}", *([] if value is True else [value])]
    ]
    options += ["--input-size", "28x28", "--arch-arg", "classes=10", "--freeze", "conv*", "--freeze", "fc1.bias"]
    cli("train", "-q", *options)
    recorded = lenetx.load("artifacts/lenet5-3x3.pt").config
    network = {"architecture_args": {"classes": 10}, "input_size": [28, 28], "freeze": ["conv*", "fc1.bias"]}
    assert recorded == said | network | {"augmentation": augmentation, "second_moment": 0.999}


def test_a_recipe_a_file_and_options_override_each_other(cli, tmp_path):
    (tmp_path / "train.toml").write_text('recipe = "notes"\nepochs = 1\nlearning_rate = 0.5\n[augmentation]\nshift = 1')
    cli("train", "-q", "--config", "train.toml", "--lr", 0.25)
    config = lenetx.load("artifacts/lenet5.pt").config
    assert (config["optimizer"], config["batch_size"]) == ("sgd", 64)
    assert (config["epochs"], config["learning_rate"], config["augmentation"]["shift"]) == (1, 0.25, 1)


def test_the_same_command_gives_the_same_file(cli, tmp_path):
    for name in ("a.pt", "b.pt"):
        cli("train", *QUICK, "-q", "-o", name)
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", 0], "The number of epochs is 0"),
        (["--batch-size", 0], "The batch size is 0"),
        (["--batch-size", 5000], "there are 1257 training images"),
        (["--lr", 0], "The learning rate is 0"),
        (["--lr", "-1"], "The learning rate is -1"),
        (["--lr", "nan"], "The learning rate is nan"),
        (["--seed", "-1"], "The seed is -1"),
        (["--seed", 2**64], "The seed is"),
        (["--device", "gpu"], "There is no device 'gpu'"),
        (["--data", "mnist", "--data-root", "."], "MNIST is not in '.'"),
        (["--lr", "1e30", "--epochs", 1], "The loss became"),
        (["--loss", "mse", "--label-smoothing", 0.1], "Label smoothing is for the cross-entropy"),
        (["--schedule", "cosine", "--warm-up", 0.1], "A warm-up is for the schedules one-cycle and linear"),
        (["--optimizer", "adamm"], "There is no optimizer 'adamm'. Did you mean 'adam'"),
        (["--recipe", "node"], "There is no recipe 'node'. Did you mean 'notes'"),
        (["--config", "none.toml"], "There is no configuration 'none.toml'"),
        (["--rotate", 200], "The augmentation's rotate is 200"),
        (["--framing", "mnisst"], "There is no framing 'mnisst'. Did you mean 'mnist'"),
        (["--classes", 1], "The number of classes is 1"),
        (["--classes", 11], "digits has 10 classes, but 11 were requested"),
        (["--memory-limit", "lots"], "'lots' is not a size"),
        (["--memory-limit", "0"], "'0' is not a size"),
        (["--workers", "-1"], "The number of workers is -1"),
        (["--images", "."], "does not apply to digits"),
    ],
    ids=str,
)
def test_a_value_that_cannot_be_used_is_a_sentence_and_nothing_is_written(refused, tmp_path, arguments, words):
    assert words in refused(2, "train", "-q", *arguments)
    assert not list(tmp_path.iterdir())


def test_a_failed_training_leaves_the_old_checkpoint(refused, tmp_path, checkpoint_paths):
    old = checkpoint_paths["lenet5"].read_bytes()
    (tmp_path / "old.pt").write_bytes(old)
    refused(2, "train", "-q", "--lr", "1e30", "--epochs", 1, "-o", "old.pt")
    assert (tmp_path / "old.pt").read_bytes() == old


@pytest.mark.parametrize("name", ["lenet5.onnx", "lenet5.torchscript"])
def test_a_checkpoint_is_not_written_over_an_artifact(cli, tmp_path, published, name):
    """Nothing unproven ever stands under an artifact's name."""
    (tmp_path / name).write_bytes((published / name).read_bytes())
    result = cli("train", "-q", *QUICK, "-o", name)
    assert result.exit_code == 2
    assert "does not end in .pt" in result.stderr
    assert (tmp_path / name).read_bytes() == (published / name).read_bytes()
