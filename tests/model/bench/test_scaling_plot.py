from __future__ import annotations

from xml.etree import ElementTree as ET

from model.bench.scaling import curve
from model.bench.scaling_plot import scaling_plot, told

SVG = "{http://www.w3.org/2000/svg}"


def test_a_curve_in_words() -> None:
    straight = curve("steps", (10, 20, 40), [(0.3,), (0.5,), (0.9,)])
    assert told(straight) == (
        "solver steps: 10: 0.3 s, 20: 0.5 s, 40: 0.9 s; 0.1 s + 0.02 s each; every median is within 0.0% of that"
    )


def test_the_plot_has_a_panel_with_a_line_and_a_dot_per_size() -> None:
    curves = tuple(
        curve(what, (10, 20, 40), [(0.1, 0.2), (0.3, 0.4), (0.7, 0.8)]) for what in ("stays", "steps", "length")
    )
    root = ET.fromstring(scaling_plot(curves))
    assert root.tag == f"{SVG}svg"
    panels = root.findall(f"{SVG}g")
    assert [panel.get("transform") for panel in panels] == ["translate(0 0)", "translate(300 0)", "translate(600 0)"]
    for panel in panels:
        assert len(panel.findall(f"{SVG}circle")) == 3
        assert [path.get("class") for path in panel.findall(f"{SVG}path")].count("l fit") == 1
