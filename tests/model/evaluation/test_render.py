import functools
import json
import re
from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.definitions import DEFINITIONS, QUESTIONS
from model.evaluation.page.cards import MAX_PLOTTED
from model.evaluation.render import render_html
from model.evaluation.report import evaluate
from model.spec.figures import Augmentation, Correlations, DistanceHistogram, FeatureReport, RocCurve, Transitions
from model.spec.report import EvaluationOptions, Report, Subject
from tests.model.evaluation.page.building import FIGURES, VITALS, bare, built_report, held, score
from tests.model.evaluation.page.reading import Page

CHEAP = EvaluationOptions(metrics=("marginal_ks", "total_variation", "c2st_logistic", "mmd"))
HOSTILE = "<script>alert('x')</script> & \"q\" $\\frac{1}{0}$ {{ 7*7 }} \u05d0\u05d1 " + "x" * 128
MB = 1_000_000


@pytest.fixture(scope="module")
def report() -> Report:
    return built_report()


@pytest.fixture(scope="module")
def html(report: Report) -> str:
    return render_html(report)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


@functools.cache
def variants() -> list[Report]:
    built = built_report()
    return [built, held(built), bare(built), built_report(n_more=30, labels=False)]


@pytest.mark.parametrize("k", range(4))
def test_every_page_is_whole_and_asks_the_network_for_nothing(k: int) -> None:
    html = render_html(variants()[k])
    page = Page(html)
    assert html.startswith("<!DOCTYPE html>")
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    assert "url(" not in html
    assert not {"script", "link", "iframe", "img", "object", "embed", "image", "use"} & {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") or name == "src" for _, attrs in page.tags for name in attrs)
    assert "default-src 'none'" in html


@pytest.mark.parametrize("k", range(4))
def test_every_plot_says_in_words_what_is_seen(k: int) -> None:
    page = Page(render_html(variants()[k]))
    plots = [attrs for tag, attrs in page.tags if tag == "svg" and attrs.get("aria-hidden") != "true"]
    assert all(attrs.get("role") == "img" for attrs in plots)
    assert all(re.search(r"\w+ \w+", words) for words in page.plots())
    assert (k == 2) == (page.plots() == [])


@pytest.mark.parametrize("k", range(4))
def test_no_figure_is_a_nan_or_a_none(k: int) -> None:
    html = render_html(variants()[k])
    shown = Page(html).words() + " ".join(Page(html).plots())
    assert not re.search(r"\b(nan|NaN|None(?! of \d)|null|inf|undefined)\b", shown)
    assert "nan" not in "".join(re.findall(r' d="[^"]*"', html))


@pytest.mark.parametrize("k", range(4))
def test_headings_go_down_one_level_at_a_time_and_links_find_their_target(k: int) -> None:
    page = Page(render_html(variants()[k]))
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(below <= above + 1 for above, below in zip(page.headings, page.headings[1:], strict=False))
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert page.targets() == {f"#{name}" for name in (*QUESTIONS, "features", "made")}
    assert {target.removeprefix("#") for target in page.targets()} <= set(ids)
    named = {attrs["aria-labelledby"] for _, attrs in page.tags if "aria-labelledby" in attrs}
    assert named <= set(ids)


@pytest.mark.parametrize("k", range(4))
def test_tables_have_captions_and_their_heads_a_scope(k: int) -> None:
    tags = Page(render_html(variants()[k])).tags
    names = [tag for tag, _ in tags]
    assert names.count("table") == names.count("caption") > 0
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in tags if tag == "th")


def test_the_top_says_what_a_steward_must_know(report: Report, page: Page) -> None:
    words = page.words()
    top = words[: words.index("What was asked for")]
    assert "ICU vitals, Challenge 2012" in top
    assert "9,600 synthetic ICU stays of 25 time steps" in top
    assert "Privacy gate: passed" in top
    assert "None of 22 tests found the stays too close." in top
    assert all(question in top for question in QUESTIONS.values())
    assert "0.512 0.497 to 0.527" in top  # the figure with its interval
    assert "Of 100 synthetic stays, 51 lie closer to a patient the model learned from" in top
    assert "puts the right one first 74 times in 100; learned from real stays, 77 times" in top
    assert "0.768 0.745 to 0.791" in top  # what real stays score, with its interval
    assert "8,267" in words


def test_a_cohort_that_is_held_back_says_so_first_and_names_the_tests(report: Report) -> None:
    words = Page(render_html(held(report))).words()
    assert words.index("Privacy gate: held back") < words.index("In one minute")
    assert "The stays are too close to real patients. 1 of the tests failed. Near copies of real stays: 5.10%" in words
    assert words.count("5.10%, at least 4.95%, where at most 0.50% is allowed") == 1
    assert "2 more findings of these tests Near copies of real stays (heart_rate): 5.10%" in words
    assert "✗ held back" in words
    assert "51 in 1,000 synthetic stays cling to a single patient" in words
    assert "passed" not in words


def test_every_figure_stands_in_its_table(page: Page) -> None:
    words = page.words()
    assert all(DEFINITIONS[name].title in words for name in (*FIGURES, "tstr", "trtr", "trts", "attribute_gain"))
    for figure in ("0.0019", "0.942", "1.830", "0.733", "±0.004 over seeds", "Sample: 2,000 stays a side."):
        assert figure in words
    assert re.search(
        r"\(MIA\).{10,200}0\.508 0\.493 to 0\.523 0\.500 0\.550 bound 0\.493 ✓ not too close", words
    )  # with its limit
    assert "BiLSTM Transformer CNN-LSTM" in words
    assert "in_hospital_death = 1" in words


def test_each_section_shows_its_plots_and_figures(page: Page) -> None:
    plots, words = page.plots(), page.words()
    starts = [
        "Whole stays: distances to the closest real stay",
        "Correlations of values between 7 features, synthetic",
        "Correlations of values: synthetic minus training, at most",
        "Missing at the same moments between 7 features, real, training",
        "Changes of rhythm from one time step to the next, synthetic",
        "ROC curves of the discriminators",
        "Where synthetic stays lie",
        "AUC for in_hospital_death with synthetic stays added",
        "Categories of rhythm",
    ]
    for name, *_ in VITALS:
        starts += [f"{kind} of {name}" for kind in ("Distribution", "Missing values", "Autocorrelation")]
        starts += [f"Lengths of the gaps in {name}", f"Course of {name} in stays with in_hospital_death = 1"]
    assert [start for start in starts if not any(plot.startswith(start) for plot in plots)] == []
    assert "dbp <= map 99.7% 99.9%" in words
    assert "960 10.0% 8,640 0.742" in words
    assert "p0.1 p5 p25 median p75 p95 p99.9" in words
    assert "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" in words
    assert '{"n_stays": 9600}' in words
    assert "412.3" in words


def test_what_is_absent_is_missed_in_a_sentence(report: Report) -> None:
    words = Page(render_html(bare(report))).words()
    for sentence in (
        "Privacy gate: not evaluated The model's dataset is not stored here.",
        "The schema has no labels",
        "distances need the real stays themselves",
        "it takes two numerical features",
        "The schema has no clinical rules.",
        "fewer than two features have missing values",
        "nothing changes from one category to another",
        "no program was trained to tell",
        "it needs the real stays themselves, and enough of them",
        "There is no label to predict.",
        "The report has no features.",
        "Nothing more is known of how these stays were made.",
        "Not available: the model's dataset is not stored here.",
    ):
        assert sentence in words


def test_many_categories_are_shares_of_the_first_ones(report: Report) -> None:
    names = tuple(f"state {k}" for k in range(30))
    told = report.features[-1].training
    assert told is not None
    many = told.model_copy(update={"shares": tuple((k + 1) / 465 for k in range(30))})
    kind = FeatureReport(name="state", type="categorical", categories=names, training=many, synthetic=told)
    words = Page(render_html(report.model_copy(update={"features": (kind,)}))).words()
    assert "the first 20 of 30" in words
    assert "state 19 \u2013 4.3%" in words
    assert "18 rarer categories are not drawn" in words


def test_a_quick_report_says_where_augmentation_is_measured(report: Report) -> None:
    quick = report.model_copy(update={"detail": "quick", "augmentation": ()})
    assert "Measured in a full report only; this is a quick one." in Page(render_html(quick)).words()


def test_equal_reports_give_equal_pages(report: Report, html: str) -> None:
    assert html == render_html(Report.model_validate_json(report.model_dump_json()))


def test_names_are_text_whatever_they_contain(report: Report) -> None:
    feature = report.features[0].model_copy(update={"name": HOSTILE, "unit": "<b>\u00b0C</b>"})
    kind = FeatureReport(
        name="</svg>", type="categorical", categories=("</text><script>", "\u202ert", '"\''),
        synthetic=report.features[-1].synthetic,
    )  # fmt: skip
    names = (HOSTILE, *report.correlations.names[1:])
    label = report.labels[0].model_copy(update={"name": "<i>label</i>", "obtained": {"<u>": 1, "'\"": 2}})
    hostile = report.model_copy(
        update={
            "title": "<script>t</script>",
            "features": (feature, kind),
            "labels": (label,),
            "correlations": report.correlations.model_copy(update={"names": names}),
            "transitions": (
                report.transitions[0].model_copy(update={"name": HOSTILE, "categories": ("<a>", "b", "c")}),
            ),
            "rules": (report.rules[0].model_copy(update={"rule": "<b> <= &"}),),
            "roc": (report.roc[0].model_copy(update={"name": "<u>"}),),
            "distances": (report.distances[0].model_copy(update={"title": HOSTILE}),),
            "augmentation": (report.augmentation[0].model_copy(update={"label": "<i>label</i>"}),),
            "scores": (*report.scores, score("dcr_share", 0.5, 0.5, feature=HOSTILE), score("tstr", 0.7, label="<x>")),
            "provenance": {"<x>": {"y": "<script>z</script>"}},
            "notes": ("<script>",),
        }
    )
    page = Page(render_html(hostile))
    assert not {"script", "i", "u", "b", "x"} & {tag for tag, _ in page.tags}
    assert [attrs for tag, attrs in page.tags if tag == "a"] == [
        attrs for tag, attrs in Page(render_html(report)).tags if tag == "a"
    ]
    words = page.words()
    for name in (HOSTILE, "<i>label</i>", "<b> <= &", "<b>\u00b0C</b>", json.dumps({"y": "<script>z</script>"})):
        assert " ".join(name.split()) in words
    assert any("\u2068" + HOSTILE + "\u2069" in plot for plot in page.plots())  # right to left keeps to itself
    assert any("</text><script>" in plot for plot in page.plots())


def test_thirty_six_features_with_every_section_stay_below_the_limit() -> None:
    report = built_report(n_more=MAX_PLOTTED - len(VITALS) - 1)
    assert len(report.features) == MAX_PLOTTED
    html = render_html(report)
    assert len(html.encode()) < 3 * MB
    assert html.count('aria-label="Distribution of ') == MAX_PLOTTED - 1
    assert "so that the page stays small" not in html


def test_hundreds_of_features_have_their_tables_and_the_page_says_what_it_leaves_out() -> None:
    html = render_html(built_report(n_more=300))
    words = Page(html).words()
    assert len(html.encode()) < 3 * MB
    assert f"Plots are shown for the {MAX_PLOTTED} of 308 features that differ most" in words
    assert f"Drawn for the {MAX_PLOTTED} of 307 features that differ most" in words
    assert "Drawn for the 24 of 308 channels that differ most" in words
    assert html.count('<details class="card"') == 308


def test_a_single_time_step_and_single_figures_can_be_shown(report: Report) -> None:
    def first(feature: FeatureReport) -> FeatureReport:
        sides = {
            side: told.model_copy(update={"missing_by_step": told.missing_by_step[:1], "missing_runs": ()})
            for side in ("synthetic", "training", "holdout")
            if (told := getattr(feature, side))
        }
        courses = tuple(
            one.model_copy(update={"low": one.low[:1], "median": one.median[:1], "high": one.high[:1]})
            for one in feature.trajectories
        )
        return feature.model_copy(update={**sides, "trajectories": courses, "acf": {}, "by_label": ()})

    short = report.model_copy(
        update={
            "sequence_length": 1,
            "features": tuple(first(feature) for feature in report.features),
            "transitions": (Transitions(name="x", categories=("a",), synthetic=((None,),)),),
            "correlations": Correlations(names=("a", "b"), synthetic=((1.0, None), (None, 1.0))),
            "distances": (DistanceHistogram(title="d", edges=(0.0, 1.0), synthetic_to_training=(1.0,)),),
            "roc": (RocCurve(name="r", true_positive_rates=(1.0,) * 101, auc=1.0),),
            "augmentation": (
                Augmentation(
                    label="d", n_real=1, n_synthetic=0, real_share=0.1, value=0.5, low=0.5, high=0.5, real_only=0.5
                ),
            ),
        }
    )
    page = Page(render_html(short))
    assert "of 1 time step," in page.words()
    assert any(plot.startswith("Course of sbp in all stays") for plot in page.plots())
    assert any("Too few changes to tell" in plot for plot in page.plots())


def test_a_table_of_others_is_not_called_a_models(report: Report) -> None:
    words = Page(render_html(report.model_copy(update={"kind": "table", "n_evaluated": 5000}))).words()
    assert "made by a model" not in words
    assert "They are compared with 9,600 real stays" in words
    assert "(5,000 of them were looked at)" in words


def test_a_report_as_it_is_evaluated_can_be_shown(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    report = evaluate(
        codec=ward_codec,
        train=ward(300, 1),
        holdout=ward(100, 2),
        synthetic=ward(100, 3),
        options=CHEAP,
        subject=Subject(title="Ward 7", asked={"death": {"0": 60, "1": 40}}, provenance={"seed": 12345}),
    )
    page = Page(render_html(report))
    assert "100 synthetic ICU stays of 8 time steps" in page.words()
    assert "Stays by death" in page.words()
    assert any(plot.startswith("Distribution of temperature. ") for plot in page.plots())


def test_reports_of_nothing_can_be_shown(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    empty = evaluate(codec=ward_codec, train=None, holdout=None, synthetic=ward(0, 1), options=CHEAP)
    words = Page(render_html(empty)).words()
    assert "0 synthetic ICU stays" in words
    assert "No values, or too few to show." in words
    assert "the table holds no stays" in words
    assert np.isfinite(len(render_html(empty.model_copy(update={"scores": (), "labels": (), "features": ()}))))
