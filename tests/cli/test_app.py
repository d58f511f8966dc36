"""The commands by name: help, version, and what a mistyped one is told."""

import json
import re
import subprocess
import sys

import pytest

COMMANDS = ("train", "export", "verify", "predict", "inspect")

MODULES = """
import json, sys
from lenetx_cli.app import main
sys.argv = ["lenetx", *sys.argv[1:]]
try:
    main()
finally:
    print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})), file=sys.stderr)
"""
HEAVY = {"torch", "torchvision", "onnx", "onnxscript", "onnxruntime", "PIL", "numpy", "sklearn"}


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], [], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_imports_nothing_heavy(python, arguments):
    done = python("-c", MODULES, *arguments)
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    assert "lenetx_cli" in loaded
    assert not loaded & HEAVY
    assert "Usage: " in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_help_loads_nothing_heavy(python):
    """What takes seconds to import: benchmarks/start_up.py has the time."""
    heavy = ("torch", "torchvision", "numpy", "onnx", "onnxruntime", "PIL", "matplotlib", "sklearn")
    code = (
        "import sys\nfrom lenetx_cli.__main__ import main\nsys.argv = ['lenetx', '--help']\n"
        f"try:\n    main()\nfinally:\n    print('loaded', *(set(sys.modules) & set({heavy})), file=sys.stderr)"
    )
    done = python("-c", code)
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "loaded"


def test_help_lists_every_command_and_its_options(cli):
    text = cli("--help").stdout
    for name in COMMANDS:
        assert re.search(rf"^│ {name} ", text, re.MULTILINE)
    options = {
        "train": "--data --arch --output -o --recipe --config --epochs --batch-size --lr --seed --device --loss "
        "--label-smoothing --optimizer --momentum --weight-decay --schedule --warm-up --gradient-clipping --ema "
        "--patience --keep --amp --shift --rotate --scale --shear --elastic --data-root --quiet --json",
        "export": "--format -f --batch -b --opset --folder -o --output --arch --data --data-root --quiet --json",
        "verify": "--against --data --data-root --device --report --verbose --quiet --json",
        "predict": "--top-k --device --json",
        "inspect": "--json",
    }
    for name, expected in options.items():
        text = cli(name, "--help").stdout
        for option in expected.split():
            assert re.search(rf"{option}\b", text), f"{name} {option}"


def test_the_version_is_that_of_both_distributions(cli):
    from importlib import metadata

    result = cli("--version")
    assert result.exit_code == 0
    assert (
        result.stdout.strip()
        == f"lenetx {metadata.version('lenetx')}, lenetx-runtime {metadata.version('lenetx-runtime')}"
    )


def test_the_installed_command_is_the_module(python, published):
    """``lenetx`` and ``python -m lenetx_cli`` are one program."""
    from importlib import metadata

    (entry,) = metadata.entry_points(group="console_scripts", name="lenetx")
    assert entry.value == "lenetx_cli.__main__:main"
    done = python("-m", "lenetx_cli", "predict", published / "lenet5.onnx", "nothing.png")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lenetx: ")
    assert done.stderr.endswith("There is no image 'nothing.png'.\n")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["trian"], "train"),
        (["exprot"], "export"),
        (["train", "--epoch", "3"], "--epochs"),
        (["train", "--sede", "3"], "--seed"),
        (["export", "--fromat", "onnx"], "--format"),
        (["verify", "--agianst", "x.pt"], "--against"),
        (["train", "--data", "digit"], "digits"),
        (["train", "--arch", "lenet-5"], "lenet5"),
        (["export", "--format", "onxx"], "onnx"),
        (["export", "--arch", "lenet5-3", "CHECKPOINT"], "lenet5-3x3"),
        (["export", "--data", "minst", "CHECKPOINT"], "mnist"),
        (["verify", "--data", "minst", "CHECKPOINT", "--against", "CHECKPOINT"], "mnist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistyped_word_is_told_the_right_one_and_nothing_is_done(
    cli, checkpoint_paths, tmp_path, monkeypatch, arguments, meant
):
    monkeypatch.chdir(tmp_path)
    known = str(checkpoint_paths["lenet5"])
    result = cli(*[known if argument == "CHECKPOINT" else argument for argument in arguments])
    assert result.exit_code == 2
    assert result.stdout == ""
    suggestion = re.search(r"(Did you mean|Possible options:)(.*)", result.stderr.splitlines()[-1])[2]
    assert meant in suggestion
    assert suggestion.count("--") <= 1
    assert not list(tmp_path.iterdir())


def test_a_conversion_without_its_second_file_is_shown_one(refused):
    assert "as in 'lenetx convert net.pt net-new.safetensors'" in refused(2, "convert", "net.pt")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--epochs", "many"], "'--epochs': Input should be a valid integer"),
        (["train", "--lr", "fast"], "'--lr': Input should be a valid number"),
        (["export", "--batch", "two"], "'two' is neither 'dynamic' nor a number"),
        (["export", "--opset", "new"], "'--opset': Input should be a valid integer"),
        (["predict", "model.onnx"], "Missing argument"),
        (["predict", "model.onnx", "a.png", "--top-k", "0"], "'--top-k': Input should be greater than or equal to 1"),
        (["inspect"], "Missing argument"),
        (["inspect", "a.pt", "b.pt"], "unexpected extra argument"),
        (["verify", "--report", "report.txt"], "'report.txt' does not end in .json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_value_of_the_wrong_kind_is_wrong_usage(cli, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    result = cli(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_fault_of_our_own_is_shown_whole_with_its_own_code(python):
    """1 would say that a proof failed."""
    code = (
        "import sys, lenetx_cli.app as app, lenetx.publishing.inspection as inspection\n"
        "def broken(*_, **__): raise RuntimeError('a bug of ours')\n"
        "inspection.inspect = broken\n"
        "sys.argv = ['lenetx', 'inspect', 'model.onnx']\n"
        "app.main()"
    )
    done = python("-c", code)
    assert done.returncode == 70
    assert "Traceback" in done.stderr
    assert "a bug of ours" in done.stderr


@pytest.mark.parametrize("command", ["inspect", "predict"])
def test_a_full_stdout_is_one_sentence(published, picture, tmp_path, command):
    arguments = [published / "lenet5.onnx", *([picture] if command == "predict" else [])]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "lenetx_cli", command, *arguments, "--json"],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "lenetx: The output could not be written: No space left on device.\n"


@pytest.mark.parametrize(("options", "code"), [(["--json"], 141), ([], 141), (["--help"], 1)])
def test_whoever_has_read_enough_may_go(python, published, options, code):
    """The reading end of the pipe is closed before anything is written; the help is printed by rich itself."""
    command = "import os, sys, subprocess as s; r, w = os.pipe(); os.close(r); sys.exit(s.call(sys.argv[1:], stdout=w))"
    done = python("-c", command, sys.executable, "-m", "lenetx_cli", "inspect", published / "lenet5.onnx", *options)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.slow
def test_a_terminal_that_knows_ascii_alone_stops_nothing(python, workspace):
    for command in ("inspect", "verify"):
        done = python(
            "-m", "lenetx_cli", command, workspace / "lenet5.onnx", PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C"
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
