"""The house stays in order: imports go one way, files stay small, one place prints."""

import ast
import importlib.util
from pathlib import Path

import pytest

PACKAGES = {
    name: Path(importlib.util.find_spec(name).origin).parent for name in ("lenetx_runtime", "lenetx", "lenetx_cli")
}
SOURCES = [(name, path) for name, folder in PACKAGES.items() for path in sorted(folder.rglob("*.py"))]
FORBIDDEN = {
    "lenetx_runtime": {
        "lenetx",
        "lenetx_cli",
        "torch",
        "torchvision",
        "onnx",
        "onnxscript",
        "sklearn",
        "typer",
        "rich",
    },
    "lenetx": {"lenetx_cli", "typer", "rich", "click"},
    "lenetx_cli": {"torch", "torchvision", "onnx", "onnxruntime", "numpy", "PIL", "click"},
}

ROOMS = (
    "__init__",
    "api",
    "benchmark",
    "publishing",
    "proof",
    "training",
    "frames",
    "formats",
    "quantization",
    "eager",
    "bounds",
    "weights",
    "graph",
    "data",
    "models",
    "report",
    "execution",
    "doctor",
    "files",
    "locking",
    "torchvision_loader",
    "errors",
    "version",
)
"""Of lenetx, from the top down: each may import those that follow it."""

source = pytest.mark.parametrize(
    ("package", "path"),
    [pytest.param(*each, id=f"{each[0]}/{each[1].relative_to(PACKAGES[each[0]])}") for each in SOURCES],
)


def module_name(package, path):
    parts = path.relative_to(PACKAGES[package]).with_suffix("").parts
    return ".".join([package, *(part for part in parts if part != "__init__")])


def target(node, package, path):
    """Return the absolute names of all modules that an import statement may mean."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    base = node.module or ""
    if node.level:
        within = [package, *path.relative_to(PACKAGES[package]).parent.parts]
        base = ".".join([*within[: len(within) - node.level + 1], *filter(None, [node.module])])
    return {base} | {f"{base}.{alias.name}" for alias in node.names}


def imports(package, path, *, at_start):
    """Return what a file imports: anywhere in it, or only when it is itself imported."""
    found = set()

    def visit(node):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.update(target(node, package, path))
        if at_start and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        if at_start and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text("utf-8")))
    return found


def test_the_scan_sees_every_package():
    assert {name for name, _ in SOURCES} == set(PACKAGES)
    assert len(SOURCES) > 50
    cli = imports("lenetx_cli", PACKAGES["lenetx_cli"] / "train.py", at_start=False)
    assert {"typer", "lenetx.training", "lenetx_cli.render"} <= cli


@source
def test_imports_go_one_way(package, path):
    roots = {name.split(".")[0] for name in imports(package, path, at_start=False)}
    assert not roots & FORBIDDEN[package]


def room_of(module):
    """Return the room of a module of lenetx, ``None`` for one of another package."""
    package, _, rest = module.partition(".")
    return (rest.split(".")[0] or "__init__") if package == "lenetx" else None


@pytest.mark.parametrize("path", [path for package, path in SOURCES if package == "lenetx"], ids=str)
def test_rooms_import_only_rooms_below_them(path):
    """Wherever in a file the import stands; ``from . import name`` of the top is one of the module ``name``."""
    modules = {module_name("lenetx", each) for package, each in SOURCES if package == "lenetx"} - {"lenetx"}
    own = room_of(module_name("lenetx", path))
    below = ROOMS[ROOMS.index(own) + 1 :]
    wanted = {room_of(each) for each in imports("lenetx", path, at_start=False) & modules}
    assert wanted - {own} <= set(below)


def test_every_room_has_its_place_and_there_are_few():
    rooms = {room_of(module_name(package, path)) for package, path in SOURCES} - {None}
    assert rooms == set(ROOMS)
    assert len(list(PACKAGES["lenetx"].glob("*.py"))) <= 9
    assert len(list((PACKAGES["lenetx"] / "training").glob("*.py"))) <= 24


def test_no_modules_import_each_other_in_a_circle():
    """At import time. A package's own ``__init__`` is being imported already when one of its modules is."""
    modules = {module_name(package, path): (package, path) for package, path in SOURCES}
    graph = {}
    for name, (package, path) in modules.items():
        wanted = imports(package, path, at_start=True) & modules.keys()
        parents = {each.rsplit(".", depth)[0] for each in wanted for depth in range(each.count(".") + 1)}
        graph[name] = {each for each in wanted | parents if each in modules and not f"{name}.".startswith(f"{each}.")}
    done, walked = set(), []

    def walk(name):
        assert name not in walked, " -> ".join([*walked[walked.index(name) :], name])
        if name in done:
            return
        walked.append(name)
        for each in sorted(graph[name]):
            walk(each)
        walked.pop()
        done.add(name)

    for name in graph:
        walk(name)
    assert graph["lenetx.publishing.publish"] >= {"lenetx.formats", "lenetx.proof"}


@source
def test_no_file_is_longer_than_fits_in_the_head(package, path):  # noqa: ARG001
    assert len(path.read_text("utf-8").splitlines()) <= 300


@source
def test_only_render_and_the_command_of_the_runtime_print(package, path):
    calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    printing = {"print", "sys.stdout.write", "sys.stderr.write", "typer.echo", "typer.secho"}
    found = [ast.unparse(call) for call in calls if ast.unparse(call.func) in printing]
    assert bool(found) == ((package, path.name) in {("lenetx_cli", "render.py"), ("lenetx_runtime", "__main__.py")})


def calls(code, name):
    """Return each call of a function by that name, as text, with the name of the function that it stands in."""
    return [
        (function.name, ast.unparse(call))
        for function in ast.walk(ast.parse(code))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == name
    ]


@source
def test_nothing_is_unpickled_and_pickles_have_one_reader(package, path):
    code = path.read_text("utf-8")
    roots = {name.split(".")[0] for name in imports(package, path, at_start=False)}
    assert not roots & {"pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    if module_name(package, path) == "lenetx.weights.unpickle":
        (safely, safe), (trusted, unsafe) = calls(code, "torch.load")
        assert (safely, trusted) == ("load_safely", "load_trusted")
        assert "weights_only=True" in safe
        assert "weights_only=False" in unsafe
    else:
        assert "torch.load" not in code
        assert "weights_only" not in code


@source
def test_one_line_trusts_a_pickle_and_only_of_a_source_that_is_trusted(package, path):
    found = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ExceptHandler)]
    guarded = [handler for handler in found if "load_trusted(source.data)" in ast.unparse(handler)]
    if module_name(package, path) == "lenetx.weights.torch_file":
        (handler,) = guarded
        assert ast.unparse(handler.type) == "OtherClass"
        assert ast.unparse(handler.body[0]) == "if not source.trust:\n    raise"
        assert len(calls(path.read_text("utf-8"), "load_trusted")) == 1
    else:
        assert not calls(path.read_text("utf-8"), "load_trusted")
