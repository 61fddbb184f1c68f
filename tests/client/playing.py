"""Flows without I/O: what they ask for is written down, and what comes of it is given beforehand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import httpx

from cdmt_client.effects import Answer, Effect, Flow, Open, Pause, Request, Send, Tell

Result = TypeVar("Result")


def answer(status: int = 200, body: object = b"", **headers: str) -> Answer:
    """An answer; what is no bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()}), content)


def problem(status: int, slug: str, **headers: str) -> Answer:
    """A problem document."""
    body = {"type": f"urn:cdmt:problem:{slug}", "title": slug, "status": status, "detail": "because"}
    return answer(status, {**body, "request_id": "r-1"}, **headers)


def play(flow: Flow[Result], outcomes: Sequence[object]) -> tuple[Result, list[Effect]]:
    """The flow's result, and all that it asked for; pauses take no time. Errors among the outcomes are thrown in."""
    left = list(outcomes)
    asked: list[Effect] = []
    try:
        effect = next(flow)
        while True:
            asked.append(effect)
            outcome: Any = None if isinstance(effect, Pause | Tell) else left.pop(0)
            effect = flow.throw(outcome) if isinstance(outcome, Exception) else flow.send(outcome)
    except StopIteration as end:
        assert not left, left
        result: Result = end.value
        return result, asked


def requests(asked: Sequence[Effect]) -> list[Request]:
    """The requests among what was asked for."""
    return [effect.request for effect in asked if isinstance(effect, Send | Open)]


def pauses(asked: Sequence[Effect]) -> list[float]:
    """The pauses among what was asked for."""
    return [effect.seconds for effect in asked if isinstance(effect, Pause)]
