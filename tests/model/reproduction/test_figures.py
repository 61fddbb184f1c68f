from xml.etree import ElementTree as ET

from model.reproduction.definitions import Column
from model.reproduction.figures import plot
from model.reproduction.tables import Cell, MadeTable, Row

MMD = Column("mmd", "MMD <3>")


def row(title: str, arm: str | None, *, mean: float | None, sd: float | None = None) -> Row:
    return Row(title=title, arm=arm, seeds=2, cells={"mmd": Cell(mean=mean, sd=sd, n=0 if mean is None else 2)})


def table(*rows: Row) -> MadeTable:
    return MadeTable(name="3", title="Planted", text="", columns={"mmd": "MMD"}, rows=rows)


def test_a_dot_per_arm_a_bar_per_deviation_and_a_line_for_real_stays() -> None:
    drawing = plot(
        table(
            row("real", None, mean=0.02),
            row("near", "a", mean=0.03, sd=0.01),
            row("far", "b", mean=0.3),
            row("failed", "c", mean=None),
        ),
        MMD,
    )
    root = ET.fromstring(drawing or "")
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    dots = [float(dot.get("cx", "")) for dot in root.iter("{http://www.w3.org/2000/svg}circle")]
    paths = [path.get("class") for path in root.iter("{http://www.w3.org/2000/svg}path")]
    words = {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}
    assert len(dots) == 2
    assert dots[0] < dots[1]
    assert (paths.count("sd"), paths.count("real")) == (1, 1)
    assert {"near", "far", "failed", "none", "MMD <3>"} <= words


def test_there_is_no_plot_of_a_figure_that_no_arm_has() -> None:
    assert plot(table(row("real", None, mean=0.02), row("failed", "c", mean=None)), MMD) is None
