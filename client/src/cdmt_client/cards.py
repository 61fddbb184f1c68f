"""How a notebook shows jobs, reports, datasets and models: small tables of HTML, with everything in them escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

Data = Mapping[str, Any]

BOX = "display:inline-block;border:1px solid #8886;border-radius:6px;padding:.6em .9em;margin:.2em 0;min-width:24em"
CELL = "text-align:left;padding:.1em .9em .1em 0"
COLOURS = {"succeeded": "#2e7d32", "failed": "#c62828", "cancelled": "#8d6e63", "held": "#c62828", "passed": "#2e7d32"}
DEFAULT_COLOUR = "#1565c0"
PRIVACY = {"passed": "passed", "held": "held back", "not_evaluated": "not evaluated"}
VERDICTS = {"like_real": "like real", "close": "close", "different": "different"}


def job(data: Data) -> str:
    """A job: its state, how far it is, what it made or why not."""
    parts = [_head(f"{data['kind']} job", data["id"], _badge(data["status"], data["status"]))]
    if data.get("progress") and not data.get("finished_at"):
        progress = data["progress"]
        parts.append(bar(progress["step"], progress["value"], progress["max"], eta=progress.get("eta_seconds")))
    if data.get("queue_position"):
        parts.append(_line(f"{data['queue_position']} jobs go before it"))
    if data.get("error"):
        parts.append(_line(data["error"].get("detail") or data["error"].get("title")))
    result = data.get("result") or {}
    if result.get("n_stays") is not None and data["kind"] == "generate":
        parts.append(_line(f"{result['n_stays']:,} synthetic stays"))
    parts.append(_counts(result.get("label_counts") or {}))
    if result.get("privacy"):
        parts.append(_privacy(result["privacy"], result.get("privacy_reason")))
    parts += [_line(f"warning: {warning}") for warning in result.get("warnings") or ()]
    return _box(parts)


def dataset(data: Data) -> str:
    """A dataset: its size, its features and its labels."""
    features = [(f["name"], f["type"], f.get("unit") or "") for f in data["schema"]["features"]]
    parts = [
        _head("dataset", data["name"], ""),
        _line(f"{data['n_stays']:,} stays of up to {data['sequence_length']} steps; id {data['id']}"),
        _table(("feature", "type", "unit"), features),
        _counts(data["label_counts"]),
    ]
    return _box(parts)


def model(data: Data) -> str:
    """A model: where it comes from, and its main figures."""
    figures = [(name, number(value)) for name, value in data["figures"].items()]
    parts = [
        _head("model", data["name"], _badge(data["origin"], "")),
        _line(f"trained on {data['n_train']:,} stays, {data['n_holdout']:,} held out; id {data['id']}"),
        _table(("figure", "value"), figures),
    ]
    return _box(parts)


def report(data: Data) -> str:
    """A report: the gate's verdict, and each main figure beside the one of held-out real stays."""
    rows = [
        (title(s), number(s["value"]), number(s.get("holdout_value")), f"{s['ideal']:g}", _verdict(s))
        for s in main_scores(data)
    ]
    parts = [
        _head("report", data["title"], ""),
        _line(f"{data['n_stays']:,} stays, {data['n_evaluated']:,} of them compared"),
        _privacy(data["privacy"]["status"], data["privacy"].get("reason")),
        _counts({label["name"]: label["obtained"] for label in data["labels"]}),
        _table(("score", "synthetic", "real holdout", "best", ""), rows),
    ]
    return _box(parts)


def bar(step: str, value: int, total: int, *, eta: float | None = None) -> str:
    """How far a step is."""
    share = min(1.0, value / total) if total else 0.0
    left = f", {eta:.0f} s left" if eta is not None else ""
    fill = f"background:{DEFAULT_COLOUR};width:{100 * share:.1f}%;height:.6em;border-radius:3px"
    track = "background:#8884;border-radius:3px;margin:.3em 0;width:24em;max-width:100%"
    words = _line(f"{step}: {value:,} of {total:,}{left}")
    return (
        f'{words}<div role="progressbar" aria-label="{escape(step)}" aria-valuenow="{100 * share:.0f}" '
        f'aria-valuemin="0" aria-valuemax="100" style="{track}"><div style="{fill}"></div></div>'
    )


def main_scores(data: Data) -> list[Data]:
    """The scores of a report that are about all stays and could be computed."""
    return [
        score
        for score in data["scores"]
        if score["status"] == "ok" and not score.get("feature") and not score.get("category")
    ]


def title(score: Data) -> str:
    """The title of a score, with the label that it is about."""
    return f"{score['title']} ({score['label']})" if score.get("label") else str(score["title"])


def number(value: float | None) -> str:
    """A figure, or nothing."""
    return "" if value is None else f"{value:.3f}"


def _verdict(score: Data) -> str:
    verdict = score.get("verdict")
    return VERDICTS.get(verdict, str(verdict)) if verdict else ""


def _privacy(status: str, reason: str | None) -> str:
    words = _badge(f"privacy: {PRIVACY.get(status, status)}", status)
    return f'<div style="margin:.3em 0">{words} {escape(reason or "")}</div>'


def _counts(counts: Mapping[str, Mapping[str, int]]) -> str:
    rows = [
        (label, category, f"{n:,}", f"{n / sum(categories.values()):.1%}" if n else "0 %")
        for label, categories in counts.items()
        for category, n in categories.items()
    ]
    return _table(("label", "category", "stays", "share"), rows)


def _head(kind: str, name: str, badge: str) -> str:
    return f"<div><b>{escape(kind)}</b> <code>{escape(name)}</code> {badge}</div>"


def _badge(text: str, state: str) -> str:
    style = f"background:{COLOURS.get(state, DEFAULT_COLOUR)};color:#fff;border-radius:4px;padding:.05em .5em"
    return f'<span style="{style}">{escape(text)}</span>'


def _line(text: object) -> str:
    return f"<div>{escape(str(text))}</div>"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join(_row(row, "td") for row in rows)
    return (
        f'<table style="margin:.3em 0"><thead>{_row(head, "th")}</thead><tbody>{body}</tbody></table>' if body else ""
    )


def _row(cells: tuple[str, ...], tag: str) -> str:
    return "<tr>" + "".join(f'<{tag} style="{CELL}">{escape(str(cell))}</{tag}>' for cell in cells) + "</tr>"


def _box(parts: Iterable[str]) -> str:
    return f'<div style="{BOX}">{"".join(parts)}</div>'
