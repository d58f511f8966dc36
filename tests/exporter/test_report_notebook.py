"""The report in a notebook: small, plain HTML that cannot disturb the page around it."""

from html.parser import HTMLParser

import pytest

from lenetx.report import Check, Report

HOSTILE = "</td></table><script>alert(1)</script><style>*{display:none}</style><img src=x onerror=alert(1)>\u202e\x1b"
TAGS = {"div", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen, self.attributes, self.open, self.text = set(), set(), [], ""

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def shown(*checks):
    about = {"name": HOSTILE, "format": HOSTILE}
    report = Report(checks, {"machine": HOSTILE}, about, {"module": HOSTILE, "data": "none"})
    tags = Tags()
    tags.feed(report._repr_html_())
    assert not tags.open
    assert tags.seen <= TAGS
    assert tags.attributes <= {"style", "class", "scope"}
    return tags.text


@pytest.mark.parametrize("status", ["passed", "failed"])
def test_nothing_in_a_report_becomes_code(status):
    text = shown(Check(HOSTILE, HOSTILE, status, 0.5, 1.0, HOSTILE, HOSTILE))
    assert "alert(1)" in text
    assert "\u202e" not in text


def test_it_says_what_the_table_says():
    text = shown(
        Check("random inputs", "128 inputs", "failed", 2.0, 1.0, "Logit 3 is wrong.", "end to end"),
        Check("row order", "257 rows", "failed", 2.0, 1.0, "Logit 3 is wrong.", "batch axis"),
        Check("labels", "no images", "not_run", detail="Name a data set.", group="real data"),
        Check("spec", "embedded spec", "passed", group="contract"),
    )
    assert "is NOT proven: random inputs, row order." in text
    assert text.count("Logit 3 is wrong.") == 1
    assert "Not run: labels. Name a data set." in text
    assert "200%" in text
