"""Nothing is published unproven, and whatever goes wrong, the old artifacts stand."""

import pytest

from lenetx import formats
from lenetx.errors import InputError, OutputError, ProofFailed
from lenetx.formats.network import Network
from lenetx.publishing.publish import publish

CERTIFICATES = ("lenet5.onnx.verified.json", "lenet5.torchscript.verified.json")
OLD = {"lenet5.onnx": b"the old model", "lenet5.torchscript": b"the old archive"}


@pytest.fixture
def folder(tmp_path):
    """A folder with old artifacts."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name, data in OLD.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def exports(monkeypatch, exported):
    """The function that makes formats export the bytes given; the others export their own, once made for all tests."""

    def replace(**wrong):
        for name in formats.DEFAULT:
            data = wrong.get(name, exported(name))
            monkeypatch.setattr(f"lenetx.formats.{name}.export", lambda *_, data=data, **__: data)

    replace()
    return replace


@pytest.fixture(scope="session")
def wrong(other_checkpoint):
    """Honest artifacts of another checkpoint: sound files with the wrong numbers."""
    return {name: formats.get(name).export(Network(other_checkpoint), batch="dynamic") for name in formats.DEFAULT}


@pytest.mark.usefixtures("exports")
def test_proven_artifacts_replace_the_old_ones(reference, folder, exported):
    words = []
    reports = publish(reference, folder, "lenet5", formats.DEFAULT, on_progress=words.append)
    assert [report.passed for report in reports] == [True, True]
    assert [report.artifact["name"] for report in reports] == list(OLD)
    for name in formats.DEFAULT:
        assert (folder / f"lenet5.{name}").read_bytes() == exported(name)
    assert {path.name for path in folder.iterdir()} == {*OLD, *CERTIFICATES, "manifest.json"}
    assert words == [f"{verb} {name}" for name in OLD for verb in ("exporting", "proving")]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("raw_input", "torchscript files take float32 inputs only; raw input is available as: onnx"),
        (
            "probabilities",
            "torchscript files return the network's own output only; probabilities are available as: onnx",
        ),
    ],
)
def test_a_format_without_an_option_that_changes_the_file_is_refused(reference, option, words):
    with pytest.raises(InputError, match=words):
        formats.export("torchscript", reference.network, options={option: True})


@pytest.mark.parametrize("named", [True, False], ids=["asked for by name", "by default"])
def test_one_wrong_artifact_keeps_no_other_from_being_published(
    reference, folder, exports, wrong, contents, exported, named
):
    """The old one stands in its place; it is an error only where it was asked for."""
    exports(torchscript=wrong["torchscript"])
    told = []
    if named:
        with pytest.raises(ProofFailed) as caught:
            publish(reference, folder, "lenet5", formats.DEFAULT)
        assert str(caught.value).endswith("lenet5.onnx is proven and published.")
        assert "lenet5.torchscript is NOT proven" in str(caught.value)
        verdicts = {report.artifact["format"]: report.passed for report in caught.value.reports}
        assert verdicts == {"onnx": True, "torchscript": False}
    else:
        (report,) = publish(reference, folder, "lenet5", formats.DEFAULT, on_refusal=told.append)
        assert report.artifact["format"] == "onnx"
        (refusal,) = told
        assert refusal.name == "lenet5.torchscript"
        assert refusal.reason.startswith("lenet5.torchscript is NOT proven")
        assert refusal.report is not None
    assert contents(folder).keys() == {*OLD, CERTIFICATES[0], "manifest.json"}
    assert (folder / "lenet5.onnx").read_bytes() == exported("onnx")
    assert (folder / "lenet5.torchscript").read_bytes() == OLD["lenet5.torchscript"]


def test_where_nothing_is_proven_nothing_is_published(reference, folder, exports, wrong, contents):
    exports(**wrong)
    with pytest.raises(ProofFailed) as caught:
        publish(reference, folder, "lenet5", formats.DEFAULT, on_refusal=lambda _: None)
    assert contents(folder) == OLD
    assert str(caught.value).endswith("Nothing was published.")
    assert len(caught.value.reports) == 2


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (b"half of a fi", "cannot be used"),
        (RuntimeError("the exporter is broken"), "RuntimeError"),
        (InputError("The network's code has a branch."), "has a branch"),
    ],
    ids=["unreadable", "broken", "refused"],
)
def test_an_export_that_goes_wrong_keeps_no_other_from_being_published(
    reference, folder, exports, monkeypatch, problem, words, exported
):
    def fail(*_, **__):
        raise problem

    told = []
    if isinstance(problem, bytes):
        exports(torchscript=problem)
    else:
        monkeypatch.setattr("lenetx.formats.torchscript.export", fail)
    publish(reference, folder, "lenet5", formats.DEFAULT, on_refusal=told.append)
    (refusal,) = told
    assert words in refusal.reason
    assert (folder / "lenet5.onnx").read_bytes() == exported("onnx")
    assert (folder / "lenet5.torchscript").read_bytes() == OLD["lenet5.torchscript"]


def test_what_cannot_be_exported_at_all_says_why_for_each_format(reference, folder, contents, monkeypatch):
    def fail(words):
        def export(*_, **__):
            raise InputError(words)

        return export

    for name in formats.DEFAULT:
        monkeypatch.setattr(f"lenetx.formats.{name}.export", fail(f"No {name} today."))
    with pytest.raises(InputError, match=r"No onnx today.*No torchscript today"):
        publish(reference, folder, "lenet5", formats.DEFAULT, on_refusal=lambda _: None)
    assert contents(folder) == OLD


@pytest.mark.usefixtures("exports")
@pytest.mark.parametrize("existed", [True, False])
def test_an_interrupt_while_proving_leaves_everything_as_it_was(
    reference, folder, monkeypatch, contents, tmp_path, existed
):
    """A new folder, and those above it, are gone again."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("lenetx.publishing.publish.prove", interrupt)
    with pytest.raises(KeyboardInterrupt):
        publish(reference, folder if existed else tmp_path / "new" / "models", "lenet5", formats.DEFAULT)
    assert contents(tmp_path) == {"models": None} | {f"models/{name}": data for name, data in OLD.items()}


def test_a_new_folder_is_removed_again_after_a_failed_proof(reference, tmp_path, exports, wrong):
    exports(onnx=wrong["onnx"])
    with pytest.raises(ProofFailed):
        publish(reference, tmp_path / "a" / "b", "lenet5", ["onnx"])
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("exports")
@pytest.mark.parametrize("size", ["100k", "300k"], ids=["no room for the first", "no room for the second"])
def test_a_full_disk_leaves_the_old_artifacts(reference, small_disk, contents, size):
    disk = small_disk(size)
    for name, data in OLD.items():
        (disk / name).write_bytes(data)
    with pytest.raises(OutputError, match="No space left on device"):
        publish(reference, disk, "lenet5", formats.DEFAULT)
    assert contents(disk) == OLD


@pytest.mark.usefixtures("exports")
def test_a_disk_that_is_full_before_the_manifest_publishes_nothing(reference, small_disk, exported, contents):
    """There is room for the artifact to the last page, and for nothing else."""
    page = 4096
    disk = small_disk(-(-len(exported("onnx")) // page) * page)
    with pytest.raises(OutputError, match="No space left on device"):
        publish(reference, disk, "lenet5", ["onnx"])
    assert contents(disk) == {}


@pytest.mark.usefixtures("exports")
def test_a_read_only_disk_is_a_sentence(reference, small_disk, read_only, contents):
    disk = small_disk("1m")
    (disk / "lenet5.onnx").write_bytes(OLD["lenet5.onnx"])
    read_only(disk)
    for folder in (disk, disk / "new"):
        with pytest.raises(OutputError, match="Read-only file system"):
            publish(reference, folder, "lenet5", ["onnx"])
    assert contents(disk) == {"lenet5.onnx": OLD["lenet5.onnx"]}


@pytest.mark.usefixtures("exports")
@pytest.mark.parametrize("obstacle", ["lenet5.onnx", "lenet5.torchscript", CERTIFICATES[1], "manifest.json"])
def test_a_folder_in_the_place_of_one_file_stops_them_all(reference, folder, contents, obstacle):
    (folder / obstacle).unlink(missing_ok=True)
    (folder / obstacle).mkdir()
    before = contents(folder)
    with pytest.raises(OutputError, match=f"{obstacle}.*[Dd]irectory"):
        publish(reference, folder, "lenet5", formats.DEFAULT)
    assert contents(folder) == before


@pytest.mark.usefixtures("exports")
@pytest.mark.parametrize("stem", ["../lenet5", "sub/lenet5", "", "."])
def test_a_name_that_leads_out_of_the_staging_folder_is_refused(reference, folder, contents, stem):
    """What is written there would stand unproven in the place of the old artifact."""
    with pytest.raises(InputError, match="is not a file name"):
        publish(reference, folder, stem, ["onnx"])
    assert contents(folder) == OLD


@pytest.mark.usefixtures("exports")
def test_a_file_in_the_place_of_the_folder_is_a_sentence(reference, folder, contents):
    with pytest.raises(OutputError, match=r"The folder '.*' could not be made"):
        publish(reference, folder / "lenet5.onnx", "lenet5", ["onnx"])
    assert contents(folder) == OLD
