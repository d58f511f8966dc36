"""A custom network: a file or a package that the user names."""

import hashlib
import re
import sys

import pytest
import torch

from lenetx import models
from lenetx.errors import CheckpointError, InputError, UnknownName

SOURCE = """
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes, in_channels=1, width=8, broken=False):
        super().__init__()
        if broken:
            raise ValueError("the width is odd\\nand more")
        self.conv = nn.Conv2d(in_channels, width, 5)
        self.fc = nn.Linear(width * 12 * 12, num_classes)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv(x).relu(), 2)
        return self.fc(x.view(x.size(0), -1))

class Wrong(Net):
    def forward(self, x):
        return super().forward(x)[:, :3]

class Raises(Net):
    def forward(self, x):
        raise RuntimeError("nothing works today")

class Looks(Net):
    def forward(self, x):
        return super().forward(x) * (1.0 if float(x.sum()) == 0 else 2.0)

class Sized(Net):
    input_shape = (1, 28, 28)

class Odd(Net):
    input_shape = "28x28"

class Last(Net):
    input_shape = (28, 20, 1)

class Many(Net):
    input_shape = (28, 28, 5)

def plain(classes, channels):
    print("built")
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * 64, classes))

def number():
    return 3

def unbuilt():
    return Net

def needy(classes, depth):
    return None

some = 3
made = Net(2)
"""


@pytest.fixture
def net(tmp_path):
    """The function that gives ``FILE.py:NAME`` for a name in the file above."""
    path = tmp_path / "mynet.py"
    path.write_text(SOURCE, encoding="ascii")
    return lambda name="Net": f"{path}:{name}"


def refusal(name, args=None, shape=(1, 28, 28), classes=10):
    with pytest.raises(InputError) as caught:
        models.resolve(name, args).build(shape, classes)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_a_class_gets_classes_and_channels_by_the_names_that_it_has_for_them(net):
    network = models.resolve(net(), {"width": 4}).build((3, 28, 28), 7)
    assert network.conv.weight.shape == (4, 3, 5, 5)
    assert network.fc.out_features == 7
    assert models.resolve(net("plain")).build((3, 8, 8), 5)(torch.zeros(1, 3, 8, 8)).shape == (1, 5)


def test_what_the_user_says_of_them_counts_more(net):
    assert "gives float32[2, 7] for a batch of 2, not float32[2, 10]" in refusal(net(), {"num_classes": 7})
    assert "of 3 channels (--channels 3)" in refusal(net(), {"in_channels": 3})


def test_a_file_is_recorded_by_its_name_and_digest_and_never_by_its_path(net, tmp_path):
    digest = hashlib.sha256(SOURCE.encode()).hexdigest()[:16]
    assert models.resolve(net()).name == f"mynet.py:Net@{digest}"
    (tmp_path / "mynet.py").write_text(SOURCE + "\n# changed\n", encoding="ascii")
    assert models.resolve(net()).name != f"mynet.py:Net@{digest}"


def test_its_own_input_is_known(net):
    assert models.resolve(net()).input_shape is None
    assert models.resolve(net("Sized")).input_shape == (1, 28, 28)
    assert models.resolve(net("Last")).input_shape == (1, 28, 20)
    assert "input_shape of mynet.py:Odd is '28x28'" in refusal(net("Odd"))
    assert "input_shape of mynet.py:Many is (28, 28, 5), but" in refusal(net("Many"))


def test_a_size_that_does_not_fit_is_told_the_ones_that_do(net):
    message = refusal(net(), shape=(1, 32, 32))
    assert message.startswith("mynet.py:Net does not take inputs of 1×32×32, but of 1 channel and 28×28 to 29×29 ")
    assert "(--input-size 28)" in message
    assert "RuntimeError in line 14 of mynet.py: mat1 and mat2 shapes cannot be multiplied" in message


def test_a_network_that_looks_at_numbers_is_tried_with_numbers(net):
    assert models.resolve(net("Looks")).build((1, 28, 28), 10) is not None


@pytest.mark.parametrize(
    ("name", "args", "words"),
    [
        ("Net", {"broken": True}, "mynet.py:Net raised ValueError in line 8 of mynet.py: the width is odd."),
        ("Raises", None, "mynet.py:Raises raised RuntimeError in line 22 of mynet.py: nothing works today."),
        ("Wrong", None, "mynet.py:Wrong gives float32[2, 3] for a batch of 2, not float32[2, 10]"),
        ("number", None, "mynet.py:number gives int, not a torch.nn.Module."),
        ("unbuilt", None, "mynet.py:unbuilt returns the class Net, not a network: let it call the class."),
        ("needy", None, "mynet.py:needy needs the argument 'depth': give it with --arch-arg depth=…."),
        ("Net", {"wdth": 4}, "takes no argument 'wdth'; there are: num_classes, in_channels, width, broken."),
        ("some", None, "some in mynet.py is int, not a class or a function."),
        ("made", None, "made in mynet.py is an instance of Net: name the class, or a function that returns one."),
    ],
)
def test_what_cannot_be_used_is_one_sentence(net, name, args, words):
    assert words in refusal(net(name), args)


@pytest.mark.parametrize("name", ["nets/mine", "./net.ipynb", "net.ipynb", "nets"])
def test_a_place_that_is_no_file_of_python_is_told_what_to_name(tmp_path, monkeypatch, name):
    (tmp_path / "nets/mine").mkdir(parents=True)
    (tmp_path / "net.ipynb").write_text("{}")
    (tmp_path / "nets/mine/__init__.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    expected = "There is no network" if name == "nets" else "is neither a Python file nor a module name: name the file"
    assert expected in refusal(f"{name}:Net")


def test_a_mistyped_name_gets_a_suggestion(net):
    with pytest.raises(UnknownName, match="Did you mean 'Raises'"):
        models.resolve(net("Raisis"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import torch\nimport no_such_module_at_all\n", "ModuleNotFoundError in line 2 of broken.py"),
        ("def f(:\n", "SyntaxError in line 1 of broken.py: invalid syntax."),
        ("import sys\nsys.exit(3)\n", "SystemExit in line 2 of broken.py: 3: move what only a script does"),
    ],
)
def test_a_file_that_cannot_be_run_is_one_sentence_and_leaves_nothing(tmp_path, source, words):
    (tmp_path / "broken.py").write_text(source, encoding="ascii")
    before = set(sys.modules), list(sys.path)
    assert words in refusal(f"{tmp_path}/broken.py:Net")
    assert not any(name.startswith("lenetx_network_") for name in set(sys.modules) - before[0])
    assert sys.path == before[1]


def test_no_such_file(tmp_path):
    assert "There is no file of a network" in refusal(f"{tmp_path}/none.py:Net")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("resnet18", "torchvision:resnet18"), ("VGG-16", "torchvision:vgg16"), ("LeNet5", "lenet5"), ("lenet", "lenet5")],
)
def test_a_name_without_a_colon_is_told_the_network_that_it_may_mean(name, meant):
    with pytest.raises(UnknownName, match=f"Did you mean '{meant}'"):
        models.require_name(name)


def test_a_file_without_a_class_is_told_its_class(net):
    path = net().removesuffix(":Net")
    with pytest.raises(UnknownName, match=f"Did you mean '{path}:Net'"):
        models.require_name(path)
    with pytest.raises(UnknownName, match=r"Did you mean 'nothing\.py:NAME'"):
        models.require_name("nothing.py")


@pytest.mark.parametrize("name", [":Net", "mynet.py:", ":"])
def test_half_a_name_is_told_the_forms(name):
    assert "give FILE.py:NAME, package.module:NAME, torchvision:NAME or timm:NAME" in refusal(name)


def test_what_a_constructor_prints_goes_to_stderr(net, capsys):
    models.resolve(net("plain")).build((1, 8, 8), 3)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "built\n"


def test_a_package_of_the_current_folder_is_found(tmp_path, monkeypatch):
    (tmp_path / "nets_of_this_test").mkdir()
    (tmp_path / "nets_of_this_test" / "__init__.py").touch()
    (tmp_path / "nets_of_this_test" / "small.py").write_text(SOURCE, encoding="ascii")
    monkeypatch.chdir(tmp_path)
    found = models.resolve("nets_of_this_test.small:Net")
    assert re.fullmatch(r"nets_of_this_test\.small:Net@[0-9a-f]{16}", found.name)
    assert found.build((1, 28, 28), 10) is not None
    assert "no_such_nets raised ModuleNotFoundError" in refusal("no_such_nets:Net")


def test_a_file_may_import_what_lies_beside_it(tmp_path):
    (tmp_path / "layers_of_this_test.py").write_text("from torch.nn import Linear\n", encoding="ascii")
    text = "from torch import nn\nfrom layers_of_this_test import Linear\n\n"
    text += "def net(classes):\n    return nn.Sequential(nn.Flatten(), Linear(64, classes))\n"
    (tmp_path / "user.py").write_text(text, encoding="ascii")
    assert models.resolve(f"{tmp_path}/user.py:net").build((1, 8, 8), 4) is not None


def test_what_a_file_says_is_never_imported(monkeypatch):
    monkeypatch.setattr("lenetx.models.resolve", None)
    for name in ("os:system", "mynet.py:Net@0123456789abcdef", "/tmp/evil.py:Net"):
        with pytest.raises(CheckpointError, match="name it with --arch"):
            models.recorded(name)


def test_file_names():
    names = {"lenet5": "lenet5", "torchvision:vgg16": "vgg16", "a/b.py:MyNet@12": "mynet", "p.m:Net": "net"}
    assert {name: models.file_stem(name) for name in names} == names


COMPILED = """
import torch
from torch import nn
from torch.jit import script

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.flat, self.fc = nn.Flatten(), nn.Linear(64, 4)

    def forward(self, x):
        return self.fc(self.flat(x))

class Part(Net):
    def __init__(self):
        super().__init__()
        self.fc = torch.jit.script(self.fc)

def scripted():
    return torch.jit.script(Net())

def traced():
    return torch.jit.trace(func=Net(), example_inputs=torch.zeros(1, 1, 8, 8))

def frozen():
    return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.script(Net().eval())))

def by_name():
    return script(Net())
"""


@pytest.fixture
def compiled(tmp_path):
    (tmp_path / "compiled.py").write_text(COMPILED, encoding="ascii")
    return lambda name: f"{tmp_path}/compiled.py:{name}"


@pytest.mark.parametrize(
    ("name", "called"), [("scripted", "script"), ("traced", "trace"), ("frozen", "script"), ("Part", "script")]
)
def test_what_a_factory_compiles_stays_python(compiled, name, called):
    before, notes = vars(torch.jit).copy(), []
    network = models.resolve(compiled(name)).build((1, 8, 8), 4, notes.append)
    assert not any(isinstance(part, torch.jit.ScriptModule) for part in network.modules())
    assert set(network.state_dict()) == {"fc.weight", "fc.bias"}
    assert notes == [f"compiled.py:{name} calls torch.jit.{called}: its Python code is taken, not the compiled module."]
    assert vars(torch.jit) == before


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_a_compiled_module_is_refused(compiled):
    assert refusal(compiled("by_name"), shape=(1, 8, 8), classes=4) == (
        "compiled.py:by_name gives a TorchScript module, whose Python code cannot be recovered: return the module that "
        "it was made of."
    )
