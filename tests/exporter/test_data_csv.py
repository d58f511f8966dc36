"""A CSV file of ``path,label`` rows."""

import codecs
import os

import PIL.Image
import pytest

from lenetx import DataOptions, data
from lenetx.errors import DataError

from .conftest import LABELS, rows


def load(path, folder, **options):
    return data.load(path, options=DataOptions(images=folder, **options))


def files_of(dataset):
    return {
        file: dataset.class_names[label]
        for part in (dataset.train, dataset.validation, dataset.test)
        for file, label in zip(part.files, part.labels, strict=True)
    }


def test_every_row_is_in_one_part_with_its_label(table, pictures):
    dataset = load(table(rows()), pictures)
    assert files_of(dataset) == {f"{number}.png": LABELS[number % 2] for number in range(20)}
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [16, 2, 2]
    assert sorted(dataset.test.labels) == sorted(dataset.validation.labels) == [0, 1]
    assert (dataset.class_names, dataset.framing, dataset.unusable) == (LABELS, "stretch", ())
    assert any("2 for validation and 2 for test are held out" in sentence for sentence in dataset.notices)


def test_pictures_are_decoded_by_the_runtime(table, pictures):
    part = load(table(rows()), pictures).train
    row = part.files.index("3.png") if "3.png" in part.files else 0
    number = int(part.files[row].removesuffix(".png"))
    assert part.levels(row, 3).shape == (5 + number, 7, 3)
    assert (part.levels(row, 1) == 10 * number).all()


@pytest.mark.parametrize(
    "content",
    [
        "path,label\n" + rows(),
        "Filename, Class\n" + rows(),
        codecs.BOM_UTF8.decode() + "path,label\n" + rows(),
        rows().replace("\n", "\r\n"),
        rows().replace("\n", "\n\n"),
        rows(lambda number: f'" {LABELS[number % 2]} "'),
        rows().rstrip("\n"),
        rows() + "\n \n,\n",
        rows().replace(",", ", "),
        rows().replace(",", ";"),
        rows().replace(",", "\t"),
        rows().replace(",", " | "),
        rows().replace(",", " "),
        "sep=,\n" + rows(),
        rows().encode("utf-16-le"),
        rows().encode("utf-16-be"),
        "sep=;\nfile;class\n" + rows().replace(",", ";"),
        rows().encode("utf-16"),
        rows().replace(",", "\t").encode("utf-16-be").join((codecs.BOM_UTF16_BE, b"")),
        "".join(f"{LABELS[number % 2]},{number}.png\n" for number in range(20)),
        "class,file\n" + "".join(f"{LABELS[number % 2]},{number}.png\n" for number in range(20)),
        "".join(f"{number},{LABELS[number % 2]},{number}.png\n" for number in range(20)),
        ",file,label\n" + "".join(f"{number},{number}.png,{LABELS[number % 2]}\n" for number in range(20)),
        "0,1\n" + rows(),
        "picture,species\n" + rows(),
        rows().replace(".png", ""),
        "file,label,\n" + rows().replace("\n", ",\n"),
        "Width;ClassId;Image_Path\n" + "".join(f"7;{LABELS[number % 2]};{number}.png\n" for number in range(20)),
        rows().replace("\n", "\r"),
        "file,label,photographer\n" + rows().replace("\n", ",Ann\n"),
        "file,cat,dog\n" + "".join(f"{number}.png,{1 - number % 2},{number % 2}.0\n" for number in range(20)),
        "file,label,split\n" + rows().replace("\n", ",train\n"),
    ],
)
def test_the_usual_ways_to_write_it_mean_the_same(table, pictures, content):
    assert load(table(content), pictures).digest() == load(table(rows(), "plain.csv"), pictures).digest()


@pytest.mark.parametrize("name", ["labels.CSV", "labels.tsv", "labels.txt"])
def test_lists_of_other_suffixes_are_read_alike(table, pictures, name):
    assert len(load(table(rows().replace(",", "\t"), name), pictures).train) == 16


@pytest.mark.parametrize(
    ("on_disk", "written"),
    [
        ("deep/a.png", r"deep\a.png"),
        ("deep/my a.png", r"deep\my a"),
        ("A.JPG", "A"),
        ("caf\u00e9.png", "cafe\u0301.png"),
        ("cafe\u0301.png", "caf\u00e9.png"),
        ("a,b;c.png", '"a,b;c.png"'),
    ],
)
def test_pictures_are_found_as_other_systems_write_their_names(table, pictures, on_disk, written):
    (pictures / "deep").mkdir()
    PIL.Image.new("L", (4, 4)).save(pictures / on_disk)
    assert files_of(load(table(rows() + f"{written},dog\n"), pictures)).keys() >= {"0.png", on_disk}


def test_a_column_of_parts_is_kept(table, pictures):
    content = "name,class,Split\n" + "".join(
        f"{number}.png,{LABELS[number % 2]},{('Training', 'test', 'VAL')[number % 3]}\n" for number in range(20)
    )
    dataset = load(table(content), pictures)
    assert [len(part) for part in (dataset.train, dataset.validation, dataset.test)] == [7, 6, 7]
    assert "0.png" in dataset.train.files
    assert "1.png" in dataset.test.files


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("picture,species\n" + rows(), "The first row of 'labels.csv', picture, species, is taken for headings"),
        ("file,label,age\n" + rows().replace("\n", ",3\n"), "'labels.csv': the labels are in label; not read: age"),
        ("file,label,split\n" + rows().replace("\n", ",fold 3\n"), "the labels are in label; not read: split"),
    ],
)
def test_how_the_columns_are_read_is_noted_where_it_is_a_guess(table, pictures, content, words):
    assert any(words in sentence for sentence in load(table(content), pictures).notices)


@pytest.mark.parametrize(
    ("write", "names"),
    [
        (lambda number: f"{number % 2 * 2 + 1}.0", tuple("0123")),
        (lambda number: f"0{number % 2 * 2 + 1}", tuple("0123")),
        (lambda number: (-1, 2)[number % 2], ("-1", "2")),
        (lambda number: ("class 10", "class 9")[number % 2], ("class 10", "class 9")),
        (lambda number: (-10, -9, 2, 30)[number % 4], ("-10", "-9", "2", "30")),
        (lambda number: (0.5, 10.25)[number % 2], ("0.5", "10.25")),
        (lambda number: f'"{number % 3},0"', ("0", "1", "2")),
    ],
)
def test_numbers_are_the_numbers_of_the_classes_or_in_their_order(table, pictures, write, names):
    dataset = load(table(rows(write)), pictures)
    assert dataset.class_names == names
    written = {f"{number}.png": str(write(number)) for number in range(20)}
    assert {file: value(label) for file, label in files_of(dataset).items()} == {
        file: value(label) for file, label in written.items()
    }


def value(label):
    return label if label[0] == "c" else float(label.strip('"').replace(",", "."))


@pytest.mark.parametrize("known", [("1", "3", "20"), ("01", "03", "20")])
def test_known_names_that_are_numbers_are_met_by_other_spellings(table, pictures, known):
    dataset = data.load(
        table(rows(lambda number: f"{number % 2 * 2 + 1}.0")), options=DataOptions(images=pictures), class_names=known
    )
    assert not dataset.unusable
    assert set(dataset.train.labels) == {0, 1}


def test_a_first_row_that_looks_like_a_heading_is_a_row_if_its_picture_is_there(table, pictures):
    (pictures / "0.png").rename(pictures / "image")
    dataset = load(table(rows(lambda number: "y" if number % 2 else "digit").replace("0.png", "image", 1)), pictures)
    assert files_of(dataset)["image"] == "digit"


def test_a_first_row_that_is_no_heading_and_no_picture_is_named(table, pictures):
    (problem,) = load(table("picture.png,kind\n" + rows()), pictures).unusable
    assert problem.startswith("line 1: There is no image")


def test_paths_start_from_the_folder_of_the_file_by_default(table, pictures):
    table(rows(), "pictures/labels.csv")
    assert len(data.load(str(pictures / "labels.csv")).train) == 16


def test_the_number_of_classes_may_be_said(table, pictures):
    numbers = table(rows(lambda number: number % 3))
    assert data.load(numbers, options=DataOptions(images=pictures), classes=5).class_names == tuple("01234")
    few = data.load(numbers, options=DataOptions(images=pictures), classes=2)
    assert len(few.unusable) == 6
    assert few.unusable[0] == "line 3: there is no class '2'"
    with pytest.raises(DataError, match=r"has 2 classes \(cat, dog\), but 3 were requested"):
        data.load(table(rows()), options=DataOptions(images=pictures), classes=3)


def test_a_number_that_no_class_has_is_refused(table, pictures):
    with pytest.raises(DataError, match="The label 20240150 is not the number of a class"):
        load(table(rows(lambda number: 20240131 + number)), pictures)


def test_known_class_names_settle_what_a_label_is(table, pictures):
    dataset = data.load(table(rows()), options=DataOptions(images=pictures), class_names=("ant", "dog", "cat"))
    assert set(files_of(dataset).values()) == {"cat", "dog"}
    assert dataset.class_names == ("ant", "dog", "cat")
    unknown = data.load(table(rows()), options=DataOptions(images=pictures), class_names=("ant", "dog"))
    assert len(unknown.unusable) == 10
    assert unknown.unusable[0] == "line 1: there is no class 'cat'"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("none.png,cat", "line 21: There is no image '"),
        (".,cat", "is a directory, not an image"),
        ("0.png,cat", "line 21: '0.png' is there already, as line 1"),
        ("./0.png,cat", "line 21: './0.png' is there already, as line 1"),
        (",cat", "line 21: there is no path"),
        ("extra.png,", "line 21: 'extra.png' has no label"),
        ("../outside.png,cat", "'../outside.png' leads out of the folder, which only --follow-links allows"),
        ("{root}/outside.png,cat", "outside.png' leads out of the folder"),
        ("link.png,cat", "'link.png' leads out of the folder"),
        ("away/outside.png,cat", "'away/outside.png' leads out of the folder"),
        ("pipe.png,cat", "is a device or a pipe, not an image"),
        ("a\0b.png,cat", "null"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_and_the_others_stay(table, pictures, tmp_path, line, words):
    PIL.Image.new("L", (4, 4)).save(tmp_path / "outside.png")
    PIL.Image.new("L", (4, 4)).save(pictures / "extra.png")
    (pictures / "link.png").symlink_to(tmp_path / "outside.png")
    (pictures / "away").symlink_to(tmp_path)
    os.mkfifo(pictures / "pipe.png")
    dataset = load(table(rows() + line.format(root=tmp_path) + "\n"), pictures)
    (problem,) = dataset.unusable
    assert problem.startswith("line 21: ")
    assert words in problem
    assert len(files_of(dataset)) == 20


@pytest.mark.parametrize("line", ["../outside.png", "{root}/outside.png", "link.png", "away/outside.png"])
def test_what_lies_outside_is_read_where_that_is_allowed(table, pictures, tmp_path, line):
    PIL.Image.new("L", (4, 4)).save(tmp_path / "outside.png")
    (pictures / "link.png").symlink_to(tmp_path / "outside.png")
    (pictures / "away").symlink_to(tmp_path)
    dataset = load(table(rows() + line.format(root=tmp_path) + ",cat\n"), pictures, follow_links=True)
    assert not dataset.unusable
    assert len(files_of(dataset)) == 21


def test_a_link_that_stays_in_the_folder_leads_nowhere_else(table, pictures):
    (pictures / "deep").mkdir()
    (pictures / "deep/link.png").symlink_to("../extra.png")
    PIL.Image.new("L", (4, 4)).save(pictures / "extra.png")
    assert not load(table(rows() + "deep/link.png,cat\n"), pictures).unusable
