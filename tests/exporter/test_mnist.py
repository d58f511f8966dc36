"""MNIST from files: the real ones where they are, and every kind of wrong ones."""

import gzip
import struct
import zlib

import numpy as np
import pytest

from lenetx import data
from lenetx.data import idx_files
from lenetx.errors import DataError, DataMissing

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
UINT8, FLOAT, NO_TYPE = 0x08, 0x0D, 0x0A


def idx(*shape, kind=UINT8, body=None):
    """Return an IDX file of zeros, or with another body."""
    header = bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return header + (bytes(int(np.prod(shape))) if body is None else body)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The function that lays out the four files, three images each but for what is given."""
    monkeypatch.delenv("LENETX_DATA", raising=False)

    def write(**changed):
        raw = tmp_path / "MNIST" / "raw"
        raw.mkdir(parents=True)
        for name in NAMES:
            key = name[: name.rindex("-idx")].replace("-", "_")
            content = changed.get(key, idx(3, 28, 28) if "images" in name else idx(3))
            if content is not None:
                (raw / name).write_bytes(content)
        return tmp_path

    return write


def test_the_real_mnist_has_its_documented_parts(mnist_root):
    mnist = data.load("mnist", mnist_root)
    assert [len(part) for part in (mnist.train, mnist.validation, mnist.test)] == [55_000, 5_000, 10_000]
    assert mnist.class_names == tuple("0123456789")
    for part in (mnist.train, mnist.validation, mnist.test):
        assert part.images.dtype == np.uint8
        assert part.images.shape[1:] == (28, 28)
        assert part.labels.dtype == np.int64
    assert np.bincount(mnist.test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_framing_leaves_every_image_of_the_real_mnist_as_it_is(mnist_root, checkpoint):
    mnist = data.load("mnist", mnist_root)
    for part in (mnist.train, mnist.validation, mnist.test):
        assert np.array_equal(part.framed(checkpoint.spec).images, part.images)


def test_the_named_folder_beats_the_environment_and_that_the_cache(tmp_path, monkeypatch):
    """Each is told by the folder that the error names: none of them holds anything."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LENETX_DATA", str(tmp_path / "environment"))

    def missing(root=None):
        with pytest.raises(DataError) as caught:
            data.load("mnist", root, download=False)
        return str(caught.value)

    assert f"'{tmp_path / 'argument'}'" in missing(tmp_path / "argument")
    assert f"'{tmp_path / 'environment'}'" in missing()
    monkeypatch.setenv("LENETX_DATA", "")
    with pytest.raises(DataMissing, match="MNIST is not on this machine"):
        data.load("mnist", download=False)
    raw = tmp_path / "cache" / "lenetx" / "MNIST" / "raw"
    raw.mkdir(parents=True)  # as a download that failed leaves it
    with pytest.raises(DataMissing):
        data.load("mnist", download=False)
    (raw / NAMES[0]).write_bytes(b"")
    assert f"'{tmp_path / 'cache' / 'lenetx'}'" in missing()


def test_a_named_folder_without_files_says_what_to_do_and_is_never_filled(tmp_path, monkeypatch):
    monkeypatch.delenv("LENETX_DATA", raising=False)
    with pytest.raises(DataError) as caught:
        data.load("mnist", tmp_path, download=True)
    message = str(caught.value)
    assert message.startswith(f"MNIST is not in '{tmp_path}': it has no train-images-idx3-ubyte and no ")
    assert message.endswith("Name its folder with --data-root or LENETX_DATA, or omit both to download it.")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("missing", ["train_images", "train_labels", "t10k_images", "t10k_labels"])
def test_one_missing_file_is_a_missing_data_set(folder, missing):
    with pytest.raises(DataError, match="MNIST is not in"):
        data.load("mnist", folder(**{missing: None}))


@pytest.mark.parametrize(
    "damaged",
    [
        {"train_images": b""},
        {"train_images": idx(3, 28, 28)[:7]},
        {"train_images": idx(3, 28, 28)[:16]},
        {"train_images": idx(3, 28, 28)[:-1]},
        {"train_images": idx(3, 28, 28) + b"\0"},
        {"train_images": b"this is no image file, but a text that somebody put there"},
        {"train_images": gzip.compress(idx(3, 28, 28))},
        {"train_images": gzip.compress(idx(60_000, 28, 28))[:-100]},
        {"train_images": idx(3, 28, 28, kind=NO_TYPE)},
        {"train_images": idx(3, 28, 28, kind=FLOAT, body=bytes(3 * 28 * 28 * 4))},
        {"train_images": idx(3, 28 * 28)},
        {"train_images": idx(2**31, 28, 28, body=b"")},
        {"train_labels": b""},
        {"train_labels": idx(3)[:-1]},
        {"train_labels": idx(3, 1)},
        {"train_labels": idx(3, kind=NO_TYPE)},
        {"train_labels": idx(3, kind=FLOAT, body=bytes(12))},
    ],
    ids=range(17),
)
def test_a_damaged_file_is_called_damaged(folder, damaged):
    root = folder(**({"train_images": idx(60_000, 28, 28)} | damaged))
    with pytest.raises(DataError, match=r"cannot be read|not complete") as caught:
        data.load("mnist", root)
    ((name, _),) = damaged.items()
    assert f"'{root}/MNIST/raw/{name.replace('_', '-')}-idx" in str(caught.value)
    assert "Put the original file there" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_with_too_few_images_are_not_complete(folder):
    with pytest.raises(DataError, match="not complete"):
        data.load("mnist", folder())


def test_images_of_another_size_are_refused(folder):
    with pytest.raises(DataError, match="not complete"):
        data.load("mnist", folder(train_images=idx(60_000, 2, 2), train_labels=idx(60_000)))


def test_a_label_that_is_no_digit_is_refused(folder):
    labels = bytearray(60_000)
    labels[31_337] = 200
    root = folder(train_images=idx(60_000, 28, 28), train_labels=idx(60_000, body=bytes(labels)))
    with pytest.raises(DataError, match="200"):
        data.load("mnist", root)


@pytest.fixture(scope="module")
def complete():
    """The four files with as many zeros as there should be, by name."""
    shapes = ((60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,))
    return dict(zip(NAMES, (idx(*shape) for shape in shapes), strict=True))


@pytest.mark.parametrize(
    ("place", "root"),
    [
        ("MNIST/raw/{name}", "MNIST/raw"),
        ("MNIST/raw/{name}", "MNIST"),
        ("mnist/{name}.gz", ""),
        ("MNIST/raw/{dotted}", ""),
        ("{name}", ""),
        ("raw/{name}.gz", ""),
        ("{name}/{dotted}", ""),
        ("MNIST/raw/{name}/{name}", ""),
        ("{dotted}.gz", ""),
        ("MNIST/RAW/{capitals}", ""),
        ("{underscored}.gz", ""),
    ],
)
def test_the_files_are_found_in_the_layouts_that_people_have(tmp_path, monkeypatch, complete, place, root):
    for name, content in complete.items():
        spellings = {"dotted": name.replace("-idx", ".idx"), "underscored": name.replace("-", "_")}
        path = tmp_path / place.format(name=name, capitals=name.upper(), **spellings)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)
    monkeypatch.setenv("LENETX_DATA", str(tmp_path / root))
    assert len(data.load("mnist").test) == 10_000


def test_files_of_another_set_with_the_same_names_are_not_taken(folder):
    root = folder()
    for place in (root / "MNIST/raw", root / "MNIST", root):
        with pytest.raises(DataError, match="FashionMNIST is not in"):
            data.load("fashion-mnist", place)


@pytest.mark.parametrize("home", [None, "none", ""])
def test_without_a_home_folder_nothing_is_downloaded_and_that_is_a_sentence(tmp_path, monkeypatch, home):
    import pwd

    def unknown(_):
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "XDG_CACHE_HOME", "LENETX_DATA"):
        monkeypatch.delenv(name, raising=False)
    if home is not None:
        (tmp_path / "file").write_text("no folder")
        monkeypatch.setenv("HOME", str(tmp_path / "file" / home))
    with pytest.raises(DataMissing, match="is not on this machine"):
        data.load("mnist", download=False)
    with pytest.raises(DataError, match=r"name (its folder|the folder of its files) with --data-root or LENETX_DATA"):
        data.load("mnist")


def packed_with_nothing(content, size):
    """Return a gzip file of this content after so many bytes of empty blocks."""
    packed = zlib.compress(content, wbits=-15)
    ending = struct.pack("<II", zlib.crc32(content), len(content))
    return gzip.compress(b"")[:10] + b"\0\0\0\xff\xff" * (size // 5) + packed + ending


@pytest.mark.parametrize("size", [2**17, 2**20])
def test_a_packed_file_of_empty_blocks_is_refused_unread(folder, size):
    """They take 75 ns a byte: 40 MiB of them took 3 s."""
    content = idx(3, 28, 28)
    assert gzip.decompress(packed_with_nothing(content, size)) == content
    with pytest.raises(DataError, match=r"packed bytes hold next to nothing\. Unpack it with gunzip"):
        data.load("mnist", folder(train_images=packed_with_nothing(content, size)))


def test_a_packed_file_of_noise_that_does_not_shrink_is_small_enough(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, 47, np.uint8).tobytes()
    path = tmp_path / "noise.gz"
    path.write_bytes(gzip.compress(idx(47, body=noise)))
    assert idx_files.read(path, (-1,)).tobytes() == noise
