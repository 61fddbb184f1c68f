"""Plots of the tables as SVG files that stand alone: a dot per arm with its standard deviation, real stays dashed."""

from __future__ import annotations

from model.evaluation.page.svg import Frame, name_of, nice_ticks, number, range_of
from model.reproduction.definitions import Column
from model.reproduction.tables import Cell, MadeTable, Row, heading

WIDTH, LEFT, ROW = 560, 230, 20
STYLE = (
    "text{font:12px sans-serif;fill:#222}.e{text-anchor:end}.m{text-anchor:middle}"
    ".grid{stroke:#ddd}.axis{stroke:#555}.real{stroke:#e69f00;stroke-width:2;stroke-dasharray:5 3}"
    ".sd{stroke:#0072b2;stroke-width:2}.d{fill:#0072b2}"
)


def plot(table: MadeTable, column: Column) -> str | None:
    """One figure of every arm of a table; None where no arm has it."""
    arms = [row for row in table.rows if row.arm]
    span = range_of([end for row in table.rows for end in _ends(row.cells[column.figure])])
    if span is None or not any(row.cells[column.figure].n for row in arms):
        return None
    frame = Frame(x=span, y=(0, 1), width=WIDTH, height=20 + ROW * len(arms) + 34, left=LEFT, right=20)
    _grid(frame, heading(table), column.heading)
    _real(frame, [row.cells[column.figure] for row in table.rows if not row.arm])
    for k, row in enumerate(arms):
        _arm(frame, row, row.cells[column.figure], y=frame.top + ROW * k + ROW / 2)
    words = f"{column.heading} of {len(arms)} arms; dashed: real stays"
    element = str(frame.svg(words))
    return element.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1).replace(
        ">", f"><style>{STYLE}</style>", 1
    )


def _ends(cell: Cell) -> tuple[float | None, ...]:
    if cell.mean is None:
        return (None,)
    return cell.mean - (cell.sd or 0.0), cell.mean + (cell.sd or 0.0)


def _grid(frame: Frame, title: str, label: str) -> None:
    frame.text(2, 12, name_of(title, room=frame.width - 4))
    bottom = frame.height - frame.bottom
    for value, words in nice_ticks(*frame.x):
        frame.path(f"M{number(frame.at_x(value))} {number(frame.top)}V{number(bottom)}", "grid")
        frame.text(frame.at_x(value), bottom + 15, words, kind="m")
    frame.text(frame.width - frame.right, frame.height - 4, label, kind="e")


def _real(frame: Frame, cells: list[Cell]) -> None:
    for cell in cells:
        if cell.mean is not None:
            x = number(frame.at_x(cell.mean))
            frame.path(f"M{x} {number(frame.top)}V{number(frame.height - frame.bottom)}", "real")


def _arm(frame: Frame, row: Row, cell: Cell, *, y: float) -> None:
    frame.text(LEFT - 6, y + 4, name_of(row.title, room=LEFT - 8), kind="e")
    if cell.mean is None:
        frame.text(LEFT + 6, y + 4, "none")
        return
    if cell.sd:
        low, high = (number(frame.at_x(end or 0.0)) for end in _ends(cell))
        frame.path(f"M{low} {number(y)}H{high}", "sd")
    frame.parts.append(f'<circle class="d" cx="{number(frame.at_x(cell.mean))}" cy="{number(y)}" r="4"/>')
