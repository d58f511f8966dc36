"""The HTML document: whole, self-contained, and nothing that an artifact says becomes code in it."""

import base64
import dataclasses
import re
import sys
from collections import Counter
from html.parser import HTMLParser
from typing import Any

import matplotlib as mpl
import pytest

from lenetx.report import Check, Report, to_html

HOSTILE = (
    "</td></svg><script>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;\x1b]0;\u202e\ud800$\\frac{1}{0}$層🙂"
)
PICTURE = {"height": 2, "width": 2, "channels": 1, "levels": base64.b64encode(bytes(range(4))).decode()}
WORST = {"image": 812, "logit": 3, "share": 12.5, "reference": 4.13075814, "artifact": 4.1234567}
SEEN, UNSEEN = WORST | {"label": "3", "picture": PICTURE}, WORST | {"label": None, "picture": None}


def errors(*images: dict[str, Any]) -> dict[str, Any]:
    histogram = {"edges": [0.0, 0.1, 1.0, 10.0], "counts": [5, 900, 80]}
    return {"kind": "errors", "histogram": histogram, "worst": list(images)}


def layer(name: str, share: float) -> dict[str, Any]:
    return {"layer": name, "share": share, "units": 4704, "passed": share <= 1}


FLIP = {"image": 947, "reference": "8", "artifact": "9", "margin": 3e-7, "explained": True}
FIGURES: dict[str, dict[str, Any]] = {
    "errors": errors(SEEN, UNSEEN),
    "layers": {"kind": "layers", "layers": [layer("conv1", 0.03), layer("conv2", 83.0)]},
    "flips": {
        "kind": "flips",
        "flips": [FLIP],
        "reference_accuracy": 0.9912,
        "artifact_accuracy": 0.9911,
        "p_value": 0.5,
    },
    "margins": {"kind": "margins", "certified": 9987, "images": 10000},
    "runs": {"kind": "runs", "runs": [{"engine": "onnxruntime, 1 thread", "share": 0.021, "comparisons": 100000}]},
    "verdict": {"kind": "verdict", "file_is_wrong": True, "engines": ["onnxruntime", "reference"], "distance": 0.25},
}


def drawn(figures: dict[str, Any]) -> Check:
    return Check(f"{figures['kind']} drawn", "10,000 images", "failed", 12.5, 1.0, "Sentence.", "layers", figures)


def report(*checks: Check, name: str = "net.onnx") -> Report:
    artifact = {"name": name, "sha256": "ab" * 32, "size_bytes": 254321}
    return Report(checks, {"python": "3.11", "device": "cpu"}, artifact, {"weights_sha256": "cd" * 32, "data": "mnist"})


FULL = report(
    Check("weights", "61,706 numbers", "passed", detail="Bit for bit.", group="weights"),
    *map(drawn, FIGURES.values()),
    Check("CUDA", "its provider", "not_run", detail="No CUDA here.", group="engines"),
    Check("eval mode", "dropout", "not_applicable", group="eval mode"),
)


class Page(HTMLParser):
    """A document taken apart; an element that is not closed where it should be is refused."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(document)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def document() -> str:
    return to_html([FULL])


@pytest.fixture(scope="module")
def page(document: str) -> Page:
    return Page(document)


def plots(document: str) -> list[str]:
    return re.findall(r"<svg.*?</svg>", document, re.DOTALL)


def test_the_file_needs_nothing_beside_it_and_runs_nothing(document: str, page: Page) -> None:
    refused = {"script", "link", "iframe", "object", "embed", "base", "form", "foreignobject"}
    assert not page.tags.keys() & refused
    assert all(source.startswith("data:image/png;base64,") for source in page.values("src"))
    assert all(link.startswith("#") and link[1:] in page.values("id") for link in page.values("href"))
    assert not [key for _, key, _ in page.attributes if key.startswith("on")]
    assert set(re.findall(r"url\(.", document)) <= {"url(#"}
    for foreign in ("http:", "https:", "@import", "@font-face", "file:", sys.prefix):
        assert foreign not in document
    assert "default-src 'none'" in " ".join(page.values("content"))


def test_ids_are_unique_though_there_are_many_plots() -> None:
    two = Page(to_html([FULL, report(*FULL.checks, *FULL.checks)]))
    assert two.tags["svg"] == 9
    assert [name for name, count in Counter(two.values("id")).items() if count > 1] == []


def test_everything_is_in_it(page: Page) -> None:
    assert page.words.count(FULL.conclusion) == 2
    for check in FULL.checks:
        for words in (check.name, check.subject, check.detail):
            assert words in page.text
    for words in ("ab" * 32, "cd" * 32, "254,321", "3.11", "mnist", "Do not use it."):
        assert words in page.text
    for words in ("Image 812, label 3", "reference 4.13075814", "artifact 4.1234567", "logit 3, error 12 times"):
        assert words in page.words
    for words in ("947", "3e-07", "99.11%", "99.12%", "p = 0.5", "9,987 of 10,000", "99.87%"):
        assert words in page.text
    for words in ("conv2", "83 times · 4,704 units", "onnxruntime, 1 thread", "2.1% · 100,000 comparisons"):
        assert words in page.words
    for words in ("file is wrong yes", 'engines ["onnxruntime", "reference"]', "distance 0.25"):
        assert words in page.text


def test_nothing_that_an_artifact_says_becomes_code(page: Page) -> None:
    figures = {
        "errors": errors(SEEN | {"label": HOSTILE}, UNSEEN),
        "layers": {"kind": "layers", "layers": [layer(HOSTILE, 0.03), layer("conv2", 83.0)]},
        "flips": FIGURES["flips"] | {"flips": [FLIP | {"reference": HOSTILE, "artifact": HOSTILE}]},
        "margins": FIGURES["margins"],
        "runs": {"kind": "runs", "runs": [{"engine": HOSTILE, "share": 0.021, "comparisons": 1}]},
        "verdict": {"kind": HOSTILE, "file_is_wrong": HOSTILE, HOSTILE: [HOSTILE], "distance": 0.25},
    }
    said = {"name": HOSTILE, "subject": HOSTILE, "detail": HOSTILE}
    given = [None, *figures.values(), None, None]
    named = [dataclasses.replace(c, **said, figures=f) for c, f in zip(FULL.checks, given, strict=True)]
    facts = {"name": HOSTILE, "sha256": HOSTILE, HOSTILE: HOSTILE}
    hostile = Report(tuple(named), {"python": HOSTILE, HOSTILE: HOSTILE}, facts, {"data": HOSTILE, HOSTILE: HOSTILE})
    written = to_html([hostile])
    assert written.encode()
    found = Page(written)
    assert found.tags.keys() == page.tags.keys()
    assert found.tags["img"] == page.tags["img"]
    assert "onerror" not in {key for _, key, _ in found.attributes}
    assert found.text.count("<script>alert(1)</script>") > 20
    assert not {"\x1b", "\u202e"} & set(written)


def test_the_same_report_gives_the_same_bytes_whatever_the_users_matplotlib_looks_like(document: str) -> None:
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "axes.grid": True, "svg.fonttype": "path"}):
        assert to_html([FULL]) == document
        assert mpl.rcParams["font.size"] == 20


def test_plots_have_the_colours_of_the_page_and_words_for_those_who_do_not_see_them(document: str, page: Page) -> None:
    assert len(plots(document)) == 3
    for plot in plots(document):
        assert re.findall(r"#[0-9a-fA-F]{6}\b", plot) == []
        assert ">limit</text>" in plot
        for part in ("title", "desc"):
            assert re.search(rf"<{part} id=[^>]*>[^<]+</{part}>", plot)
    for names in page.values("aria-labelledby"):
        assert set(names.split()) <= set(page.values("id"))


def test_details_are_folded_where_nothing_is_wrong() -> None:
    for status, is_open in (("passed", False), ("not_applicable", False), ("failed", True), ("not_run", True)):
        check = Check("weights", "all", status, detail="Why.")  # type: ignore[arg-type]
        assert (("details", "open", "") in Page(to_html([report(check)])).attributes) is is_open


def test_what_did_not_run_is_never_shown_as_passed() -> None:
    for status, words in (("not_run", "not run"), ("not_applicable", "n/a")):
        shown = Page(to_html([report(Check("flips", "images", status, detail="Why."))]))  # type: ignore[arg-type]
        assert shown.words.count(words) == 2
        assert "passed" not in shown.words


def test_several_reports_have_one_title_and_a_list_of_their_conclusions() -> None:
    good, bad = report(FULL.checks[0], name="good.onnx"), report(FULL.checks[1], name="bad.onnx")
    page = Page(to_html([good, bad]))
    assert page.words.count("1 of 2 artifacts is NOT proven.") == 2
    assert good.conclusion in page.words
    assert bad.conclusion in page.words
    assert {"#artifact-1", "#artifact-2"} <= set(page.values("href"))
    assert "All 2 artifacts compute what eager PyTorch computes." in Page(to_html([good, good])).words


def test_a_file_that_could_not_be_opened_has_a_page_too() -> None:
    page = Page(to_html([Report.unreadable("net.onnx", "It is truncated.")]))
    assert "net.onnx is NOT proven: file." in page.words
    assert "It is truncated." in page.words
