import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.render import MAX_PLOTTED, render_html
from model.evaluation.report import evaluate
from model.spec.report import EvaluationOptions, Report, Subject
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema

CHEAP = EvaluationOptions(metrics=("marginal_ks", "total_variation", "c2st_logistic", "mmd"))
VOID = {"meta", "br", "path", "rect", "use", "image", "link", "input", "img", "hr"}
HOSTILE = "<script>alert('x')</script> & \"q\" $\\frac{1}{0}$ 心拍"


class Page(HTMLParser):
    """Collects what is in a page, and fails on tags that do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def report(ward: Callable[..., Stays], ward_codec: Codec) -> Report:
    return evaluate(
        codec=ward_codec,
        train=ward(300, 1),
        holdout=ward(100, 2),
        synthetic=ward(100, 3),
        options=CHEAP,
        subject=Subject(title="Ward 7", asked={"death": {"0": 60, "1": 40}}, provenance={"seed": 12345}),
    )


def test_the_page_closes_what_it_opens_and_asks_the_network_for_nothing(report: Report) -> None:
    html = render_html(report)
    page = Page(html)
    assert "http:" not in html
    assert "https:" not in html
    assert not {"script", "link", "iframe", "img", "object", "embed"} & {tag for tag, _ in page.tags}
    references = [attrs[name] for _, attrs in page.tags for name in ("src", "href") if attrs.get(name)]
    assert all(reference and reference.startswith(("#", "data:image/png")) for reference in references)
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)'\"]+)", html))


def test_ids_are_unique_and_every_reference_finds_its_target(report: Report) -> None:
    page = Page(render_html(report))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", render_html(report)))
    assert {a or b for a, b in used} <= set(ids)


def test_every_plot_has_a_text_alternative(report: Report) -> None:
    page = Page(render_html(report))
    plots = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
    assert len(plots) == 3 + 1 + 1  # distributions; missing values of one feature; correlations
    assert all(attrs["aria-label"] for attrs in plots)
    assert any((attrs["aria-label"] or "").startswith("Distribution of temperature. Medians: ") for attrs in plots)


def test_the_top_says_what_a_reader_must_know(report: Report) -> None:
    words = Page(render_html(report)).words()
    assert "Ward 7" in words
    assert "100 synthetic ICU stays of 8 time steps" in words
    assert "Do values look right?" in words
    assert "Stays by death" in words
    assert re.search(r"\b60\b", words)
    assert "does not say how well they protect" in words
    assert "12345" in words


def test_equal_reports_give_equal_pages(report: Report) -> None:
    assert render_html(report) == render_html(Report.model_validate_json(report.model_dump_json()))


def hostile_table() -> tuple[Schema, Stays]:
    schema = Schema(
        stay_id="stay",
        time="hour",
        sequence_length=3,
        features=(
            NumericalFeature(name=HOSTILE, unit="<b>°C</b>"),
            NumericalFeature(name=f"2 {HOSTILE}"),
            CategoricalFeature(name="</svg>", categories=("</text><script>", "$x_1$", "é")),
        ),
        labels=(Label(name="<i>label</i>", categories=("<u>", "'\"")),),
    )
    rng = np.random.default_rng(0)
    return schema, Stays(
        rng.normal(size=(100, 3, 2)).astype(np.float32), rng.integers(0, 3, (100, 3, 1)), rng.integers(0, 2, (100, 1))
    )


def test_names_are_text_whatever_they_contain() -> None:
    schema, stays = hostile_table()
    subject = Subject(title="<script>t</script>", provenance={"<x>": {"y": "<script>z</script>"}}, notes=("<script>",))
    codec = Codec.fit(stays, schema)
    report = evaluate(codec=codec, train=stays, holdout=stays, synthetic=stays, options=CHEAP, subject=subject)
    page = Page(render_html(report))
    assert not {"script", "i", "u", "b", "x"} & {tag for tag, _ in page.tags}
    words = page.words()
    assert " ".join(HOSTILE.split()) in words
    assert "</text><script>" in words
    assert "$x_1$" in words
    assert "<i>label</i>" in words
    assert json.dumps({"y": "<script>z</script>"}) in words


def test_a_hundred_columns_stay_a_small_page() -> None:
    n_numerical, rng = 60, np.random.default_rng(0)
    schema = Schema(
        stay_id="stay",
        time="hour",
        sequence_length=24,
        features=(
            *(NumericalFeature(name=f"measurement {j}") for j in range(n_numerical)),
            *(CategoricalFeature(name=f"finding {j}", categories=tuple("abcdef")) for j in range(40)),
        ),
    )
    numerical = rng.normal(size=(150, 24, n_numerical)).astype(np.float32)
    numerical[rng.random(numerical.shape) < 0.3] = np.nan
    stays = Stays(numerical, rng.integers(0, 6, (150, 24, 40)), np.zeros((150, 0), np.int64))
    codec = Codec.fit(stays, schema)
    options = EvaluationOptions(metrics=("marginal_ks",))
    report = evaluate(codec=codec, train=stays, holdout=stays, synthetic=stays, options=options)
    html = render_html(report)
    assert len(html.encode()) < 1_500_000
    assert html.count("Distribution of ") == 2 * MAX_PLOTTED  # label and title
    assert html.count('class="card"') == 100


def test_reports_of_nothing_can_be_shown(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    empty = evaluate(codec=ward_codec, train=None, holdout=None, synthetic=ward(0, 1), options=CHEAP)
    words = Page(render_html(empty)).words()
    assert "0 synthetic ICU stays" in words
    assert "No values, or too few to show." in words
    assert "the table holds no stays" in words
    bare = empty.model_copy(update={"scores": (), "labels": (), "features": ()})
    assert "All figures" not in Page(render_html(bare)).words()
