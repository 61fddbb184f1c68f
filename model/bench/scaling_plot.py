"""The cost of drawing over stays, steps and window, as an SVG that stands alone."""

from __future__ import annotations

from model.bench.scaling import Curve
from model.evaluation.page.svg import Frame, element, number

WIDTH, HEIGHT = 300, 220
STYLE = (
    "text{font:12px sans-serif;fill:#222}.e{text-anchor:end}.m{text-anchor:middle}.l{fill:none}"
    ".grid{stroke:#ddd}.axis{stroke:#555}.fit{stroke:#e69f00;stroke-width:2}.run{stroke:#0072b2;stroke-width:2}"
    ".d{fill:#0072b2}"
)


def scaling_plot(curves: tuple[Curve, ...]) -> str:
    """A panel per curve: medians with their range, and the line."""
    parts = []
    for k, curve in enumerate(curves):
        parts.append(f'<g transform="translate({k * WIDTH} 0)">{"".join(_panel(curve))}</g>')
    words = "Seconds of drawing over " + ", ".join(curve.title for curve in curves) + "; lines are fitted"
    drawn = str(element(parts, WIDTH * len(curves), HEIGHT, words))
    opened = drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return opened.replace(">", f"><style>{STYLE}</style>", 1) + "\n"


def _panel(curve: Curve) -> list[str]:
    first, last = curve.sizes[0], curve.sizes[-1]
    frame = Frame(
        x=(0, last * 1.05), y=(0, 1.08 * max(*curve.high, curve.fixed + curve.each * last)), width=WIDTH, height=HEIGHT
    )
    frame.y_axis("seconds")
    frame.x_axis(curve.title, ticks=[(float(size), f"{size:,}") for size in curve.sizes])
    frame.line([first, last], [curve.fixed + curve.each * size for size in (first, last)], "fit")
    for size, middle, low, high in zip(curve.sizes, curve.seconds, curve.low, curve.high, strict=True):
        x = number(frame.at_x(size))
        frame.path(f"M{x} {number(frame.at_y(low))}V{number(frame.at_y(high))}", "run")
        frame.dot(size, middle, "")
    return frame.parts


def told(curve: Curve) -> str:
    """The line in words."""
    points = ", ".join(f"{size:,}: {value:.3g} s" for size, value in zip(curve.sizes, curve.seconds, strict=True))
    return (
        f"{curve.title}: {points}; {curve.fixed:.3g} s + {curve.each:.3g} s each; "
        f"every median is within {curve.off:.1%} of that"
    )
