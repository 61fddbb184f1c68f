import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evaluation.page.svg import Frame, name_of, nice_ticks, number, percent_ticks, range_of, step_ticks


def drawn(frame: Frame) -> ET.Element:
    return ET.fromstring(frame.svg("words"))


def test_data_lies_where_the_axes_say() -> None:
    frame = Frame(x=(0, 10), y=(0, 1), width=120, height=70, left=10, right=10, top=10, bottom=10)
    assert frame.at(0, 0) == "10 60"
    assert frame.at(10, 1) == "110 10"
    assert frame.at(5, 0.5) == "60 35"


def test_what_lies_far_beyond_the_range_stays_at_the_edge_of_the_frame() -> None:
    frame = Frame(x=(0, 10), y=(0, 1), width=120, height=70, left=10, right=10, top=10, bottom=10)
    assert frame.at_x(1e9) == pytest.approx(112)
    assert frame.at_x(-1e9) == pytest.approx(8)


def test_a_curve_breaks_where_nothing_is_known_and_a_lonely_point_is_a_dot() -> None:
    frame = Frame(x=(0, 4), y=(0, 1))
    frame.line(range(5), [0.1, 0.2, None, 0.4, None], "synthetic")
    figure = drawn(frame)
    assert len(figure.findall("path")) == 1
    assert len(figure.findall("circle")) == 1


def test_a_curve_of_unknown_points_draws_nothing() -> None:
    frame = Frame(x=(0, 1), y=(0, 1))
    frame.line(range(2), [None, None], "synthetic")
    frame.band(range(2), [None, 0.1], [0.2, None], "synthetic")
    assert frame.parts == []


def test_a_band_needs_both_of_its_edges() -> None:
    frame = Frame(x=(0, 3), y=(0, 1))
    frame.band(range(4), [0.1, 0.1, None, 0.1], [0.2, 0.2, 0.2, 0.2], "training")
    kinds = [path.attrib["class"] for path in drawn(frame).findall("path")]
    assert kinds == ["a training", "r training"]  # an area, and a bar where a step stands alone


def test_words_are_escaped_in_the_plot_and_in_its_text_alternative() -> None:
    frame = Frame(x=(0, 1), y=(0, 1))
    frame.text(0, 0, '<b> & "q"')
    figure = ET.fromstring(frame.svg("'a' < \"b\" & c"))
    assert "".join(figure.itertext()) == '<b> & "q"'
    assert figure.attrib["aria-label"] == "'a' < \"b\" & c"
    assert figure.attrib["role"] == "img"


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 10, ["0", "2", "4", "6", "8", "10"]),
        (0, 0.02, ["0.000", "0.005", "0.010", "0.015", "0.020"]),
        (-3, 3, ["\u22122", "0", "2"]),
        (5, 5, ["5"]),
        (0, 4e7, ["0", "1e+07", "2e+07", "3e+07", "4e+07"]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[str]) -> None:
    assert [words for _, words in nice_ticks(low, high)] == ticks


@given(st.floats(-1e12, 1e12), st.floats(1e-9, 1e12))
def test_ticks_lie_inside_and_are_few(low: float, width: float) -> None:
    high = low + width
    ticks = nice_ticks(low, high)
    assert len(ticks) <= 12
    assert all(low - width * 1e-3 <= value <= high + width * 1e-3 for value, _ in ticks) or high == low


def test_time_steps_are_whole() -> None:
    assert [words for _, words in step_ticks(3)] == ["0", "1", "2"]
    assert [words for _, words in step_ticks(1)] == ["0"]


def test_shares_have_percent() -> None:
    assert percent_ticks(0.2)[-1][1] == "20 %"


def test_pixels_are_short() -> None:
    assert [number(value) for value in (12.0, 12.54, -0.04, 0.0, 100.0)] == ["12", "12.5", "0", "0", "100"]


def test_ranges_have_room_and_of_nothing_there_is_none() -> None:
    assert range_of([None, 1.0, 3.0], margin=0.1) == pytest.approx((0.8, 3.2))
    assert range_of([5.0]) == pytest.approx((4.8, 5.2))
    assert range_of([None]) is None


def test_long_names_are_cut() -> None:
    assert name_of("x" * 128, room=62) == "x" * 9 + "\u2026"
    assert name_of("sbp", room=62) == "sbp"
