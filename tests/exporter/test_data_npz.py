"""An ``.npz`` of images and labels."""

import io
import struct
import zipfile
import zlib

import numpy as np
import pytest

import lenetx
from lenetx import data
from lenetx.errors import CheckpointError, DataError, InputError

RANDOM = np.random.default_rng(5)
GREY = RANDOM.integers(0, 256, (40, 6, 9), np.uint8)
RGB = RANDOM.integers(0, 256, (40, 6, 9, 3), np.uint8)
LABELS = np.arange(40) % 4


@pytest.fixture
def load(tmp_path):
    """The function that writes arrays to ``set.npz`` and loads that."""

    def write(wanted=None, classes=None, **arrays):
        np.savez_compressed(tmp_path / "set.npz", **arrays)
        return data.load(str(tmp_path / "set.npz"), class_names=wanted, classes=classes)

    return write


def whole(dataset):
    """Return images and labels of all parts by the bytes of the image."""
    parts = (dataset.train, dataset.validation, dataset.test)
    return {image.tobytes(): label for part in parts for image, label in zip(part.images, part.labels, strict=True)}


@pytest.mark.parametrize("images", [GREY, RGB], ids=["grey", "RGB"])
def test_images_and_labels_are_divided(load, images):
    dataset = load(images=images, labels=LABELS)
    assert whole(dataset) == {image.tobytes(): label for image, label in zip(images, LABELS, strict=True)}
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [32, 4, 4]
    assert sorted(dataset.test.labels) == [0, 1, 2, 3]
    assert dataset.class_names == ("0", "1", "2", "3")
    assert dataset.train.images.dtype == np.uint8
    assert dataset.train.labels.dtype == np.int64
    assert (dataset.name, dataset.framing) == ("set.npz", "stretch")


@pytest.mark.parametrize(
    "keys",
    [
        ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"),
        ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
    ],
    ids=["Keras", "MedMNIST"],
)
def test_parts_that_are_there_are_taken_as_they_are(load, keys):
    arrays = (GREY[:20], LABELS[:20, None], GREY[20:28], LABELS[20:28], GREY[28:], LABELS[28:].astype(np.uint8))
    dataset = load(**dict(zip(keys, arrays, strict=True)))
    for part, (start, end) in (("train", (0, 20)), ("validation", (20, 28)), ("test", (28, 40))):
        assert np.array_equal(getattr(dataset, part).images, GREY[start:end])
        assert np.array_equal(getattr(dataset, part).labels, LABELS[start:end])
    assert not dataset.notices


def test_a_channel_of_its_own_is_grey(load):
    assert load(images=GREY[..., None], labels=LABELS).digest() == load(images=GREY, labels=LABELS).digest()


def test_class_names_may_be_written_beside(load):
    assert load(images=GREY, labels=LABELS, class_names=np.array(list("abcd"))).class_names == tuple("abcd")
    assert load(images=GREY, labels=LABELS, classes=6).class_names == tuple("012345")
    assert load(("p", "q", "r", "s"), images=GREY, labels=LABELS).class_names == ("p", "q", "r", "s")


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(np.float16, 1), (np.float16, 255), (np.float32, 1), (np.float32, 255), (np.float64, 255), (np.int64, 1)],
)
def test_numbers_that_are_exactly_levels_are_taken_and_that_is_said(load, dtype, scale):
    everything = np.arange(256, dtype=np.uint8).reshape(1, 16, 16).repeat(40, 0)
    for levels in (everything, np.vstack([everything[:20], everything[20:] // 2])):
        dataset = load(images=(levels / scale).astype(dtype), labels=LABELS)
        assert set(whole(dataset)) == {image.tobytes() for image in levels}
        assert "taken as levels of 0 to 255" in dataset.notices[0]


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (GREY / 254, "no exact grey levels"),
        (GREY.astype(np.float32) + 0.5, "no exact grey levels"),
        (GREY.astype(np.int32) - 1, r"from -1 to 254, no exact grey levels"),
        (GREY.astype(np.uint16) * 257, "no exact grey levels"),
        (np.where(GREY == 7, np.nan, GREY / 255), "no exact grey levels"),
        (GREY > 100, "bool.40, 6, 9.; images are uint8"),
        (GREY.astype(complex), "images are uint8"),
        (GREY[0], "images are N×H×W"),
        (RGB[..., :2], "images are N×H×W"),
        (RGB.transpose(0, 3, 1, 2), "images are N×H×W"),
        (GREY[:, :0], "images are N×H×W"),
        (GREY[:0], "images are N×H×W"),
    ],
)
def test_images_that_are_none_are_refused(load, images, words):
    with pytest.raises(DataError, match=words):
        load(images=images, labels=LABELS[: len(images)])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (LABELS[:39], "has 39 labels for 40 images"),
        (LABELS - 1, "has the label -1 in row 0"),
        (LABELS + 1000 * (np.arange(40) == 7), "has the label 1003 in row 7"),
        (LABELS.astype(np.float32), "labels are whole numbers"),
        (np.eye(4)[LABELS].astype(int), "labels are whole numbers, one per image"),
        (LABELS.astype(str), "labels are whole numbers"),
        (LABELS * 0, "has one class only, '0'"),
        (np.arange(40), "has too few images"),
    ],
)
def test_labels_that_are_none_are_refused(load, labels, words):
    with pytest.raises(DataError, match=words):
        load(images=GREY, labels=labels)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"images": GREY}, "holds images; it should hold images and labels"),
        ({"x_train": GREY, "y_train": LABELS, "x_test": GREY}, "has only one of x_test and y_test"),
        ({"images": GREY, "labels": LABELS, "x_train": GREY, "y_train": LABELS}, "it should hold"),
        ({"images": GREY, "labels": LABELS, "weights": GREY}, "holds images, labels, weights; it should hold"),
        ({"x_train": GREY, "y_train": LABELS, "x_test": RGB, "y_test": LABELS}, "has grey and RGB parts"),
        (
            {"images": GREY, "labels": LABELS, "class_names": np.array(list("abc"))},
            "a label 3, but there are 3 classes",
        ),
        ({"images": GREY, "labels": LABELS, "class_names": np.array(list("abca"))}, "empty or there twice"),
        ({"images": GREY, "labels": LABELS, "class_names": np.arange(4)}, "class_names is int64"),
        ({"images": np.array([1, None], object), "labels": LABELS}, "it holds Python objects"),
    ],
)
def test_another_layout_is_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(DataError, match=words):
        data.load(str(tmp_path / "set.npz"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY", b"path,label\n"])
def test_what_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises(DataError, match="cannot be read"):
        data.load(str(tmp_path / "set.npz"))


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "one.npy", GREY)
    (tmp_path / "one.npy").rename(tmp_path / "set.npz")
    with pytest.raises(DataError, match="is a single array"):
        data.load(str(tmp_path / "set.npz"))


def test_damage_anywhere_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "set.npz", images=GREY, labels=LABELS)
    content = (tmp_path / "set.npz").read_bytes()
    for position in range(0, len(content), len(content) // 40):
        damaged = bytearray(content)
        damaged[position] ^= 0x55
        (tmp_path / "set.npz").write_bytes(damaged)
        try:
            found = data.load(str(tmp_path / "set.npz"))
        except InputError:
            continue
        assert set(whole(found)) == {image.tobytes() for image in GREY}


def test_an_array_that_claims_to_be_larger_than_any_memory_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**15, 8, 8)})
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("images.npy", header.getvalue())
    with pytest.raises(DataError, match="cannot be read: Unable to allocate"):
        data.load(str(tmp_path / "set.npz"))


def test_a_method_of_compression_that_nobody_has_is_refused(tmp_path):
    np.savez(tmp_path / "set.npz", images=GREY, labels=LABELS)
    content = (tmp_path / "set.npz").read_bytes()
    entry = content.index(b"PK\x01\x02")
    (tmp_path / "set.npz").write_bytes(content[: entry + 10] + b"\x63" + content[entry + 11 :])
    with pytest.raises(DataError, match="in it is compressed in another way than numpy does it"):
        data.load(str(tmp_path / "set.npz"))


def test_what_unpacks_to_too_much_is_refused_before_it_is_unpacked(load, monkeypatch):
    """A file of 2 MiB may unpack to 2 GiB."""
    monkeypatch.setattr("lenetx.data.npz_file._LARGEST", 2**20)
    with pytest.raises(DataError, match=r"unpacks to 2,0.* bytes, but at most 1 MiB are read"):
        load(images=np.zeros((2000, 32, 32), np.uint8), labels=np.zeros(2000, np.uint8))


def test_a_file_that_is_too_large_is_refused_unread(tmp_path):
    with (tmp_path / "set.npz").open("wb") as file:
        file.truncate(9 * 2**30)
    with pytest.raises(InputError, match="is larger than 2048 MiB, the most that is read"):
        data.load(str(tmp_path / "set.npz"))


def test_two_arrays_of_one_name_are_refused(load, tmp_path):
    load(images=GREY, labels=LABELS)
    with zipfile.ZipFile(tmp_path / "set.npz", "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("labels.npy", archive.read("labels.npy"))
    with pytest.raises(DataError, match="two arrays of one name"):
        data.load(str(tmp_path / "set.npz"))


def test_an_array_that_says_that_it_is_larger_than_it_is_is_refused(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (2**36, 28, 28)})
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("images.npy", header.getvalue() + bytes(99))
        archive.writestr("labels.npy", header.getvalue() + bytes(99))
    with pytest.raises(DataError, match="cannot be read"):
        data.load(str(tmp_path / "set.npz"))


def padded(name, content, size):
    """Return the bytes of an archive with one record, packed in so many bytes more than it needs: of empty blocks."""
    empty = b"\0\0\0\xff\xff" * (size // 5)
    buffer, packed = io.BytesIO(), empty + zlib.compress(content, wbits=-15)
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, packed)
    sizes = struct.pack("<III", zlib.crc32(content), len(packed), len(content))
    stored = struct.pack("<III", zlib.crc32(packed), len(packed), len(packed))
    written = buffer.getvalue().replace(stored, sizes)
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = written.index(mark) + place
        written = written[:at] + b"\x08" + written[at + 1 :]
    return written


def npy(array):
    """Return the bytes of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


READERS = {"data": data.load, "weights": lambda path: lenetx.load_weights(path, architecture="lenet5")}


@pytest.mark.parametrize("kind", READERS)
def test_a_record_of_empty_blocks_is_refused_before_it_is_unpacked(tmp_path, kind):
    content = padded("images.npy", npy(GREY), 2**20)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("images.npy") == npy(GREY)
    (tmp_path / "set.npz").write_bytes(content)
    with pytest.raises((DataError, CheckpointError), match="larger packed than unpacked"):
        READERS[kind](str(tmp_path / "set.npz"))


@pytest.mark.parametrize("kind", READERS)
def test_other_ways_of_packing_are_refused(tmp_path, kind):
    with zipfile.ZipFile(tmp_path / "set.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("images.npy", npy(GREY))
        archive.writestr("labels.npy", npy(LABELS))
    with pytest.raises((DataError, CheckpointError), match="compressed in another way than numpy does it"):
        READERS[kind](str(tmp_path / "set.npz"))
