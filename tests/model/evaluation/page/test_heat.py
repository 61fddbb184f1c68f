import xml.etree.ElementTree as ET

import pytest

from model.evaluation.page.heat import DARK, GAP, SHADES, Scale, heat_map, luminance, shade


def drawn(matrix: tuple[tuple[float | None, ...], ...], names: list[str], **changes: object) -> ET.Element:
    return ET.fromstring(heat_map(matrix, rows=names, columns=names, description="words", **changes))  # type: ignore[arg-type]


def test_each_shade_is_one_path_and_few_cells_have_their_numbers() -> None:
    figure = drawn(((1.0, -0.5), (-0.5, 1.0)), ["a", "b"])
    assert len([path for path in figure.findall("path") if path.attrib["d"].count("M") == 2]) == 2
    words = [text.text for text in figure.findall("text")]
    assert words.count("1.00") == words.count("\u22120.50") == 2
    assert {"a", "b"} <= set(words)


def test_what_is_not_known_is_grey_and_a_dash() -> None:
    figure = drawn(((None,),), ["a"])
    assert figure.findall("path")[0].attrib["fill"] == GAP
    assert "\u2013" in [text.text for text in figure.findall("text")]


def test_wide_matrices_have_no_numbers() -> None:
    n = 30
    figure = drawn(((0.5,) * n,) * n, [f"f{k}" for k in range(n)])
    assert "0.50" not in [text.text for text in figure.findall("text")]
    assert len(figure.findall("path")) == 1


@pytest.mark.parametrize(
    ("value", "colour"), [(0.0, "#ffffff"), (1.0, "#4b2a8c"), (-1.0, "#a04500"), (-7.0, "#a04500")]
)
def test_shades_run_from_brown_over_white_to_violet(value: float, colour: str) -> None:
    assert shade(value, limit=1.0, scale="signed") == colour


def test_shares_are_never_below_white_and_a_limit_of_0_is_white() -> None:
    assert shade(-0.1, limit=1.0, scale="share") == "#ffffff"
    assert shade(1.0, limit=0.0, scale="signed") == "#ffffff"


def test_nothing_is_an_empty_plot() -> None:
    assert drawn((), []).attrib["aria-label"] == "words"


def test_names_are_cut_and_escaped() -> None:
    figure = drawn(((0.0,),), ["<" * 128])
    assert any((text.text or "").startswith("<<<") and len(text.text or "") < 20 for text in figure.findall("text"))


@pytest.mark.parametrize("scale", ["signed", "share"])
def test_numbers_stand_out_from_every_shade(scale: Scale) -> None:
    for k in range(-SHADES, SHADES + 1):
        light = luminance(shade(k / SHADES, limit=1.0, scale=scale))
        contrast = 1.05 / (light + 0.05) if light < DARK else (light + 0.05) / 0.05
        assert contrast >= 4.5


def test_luminance_of_the_extremes() -> None:
    assert luminance("#000000") == 0
    assert luminance("#ffffff") == pytest.approx(1)
