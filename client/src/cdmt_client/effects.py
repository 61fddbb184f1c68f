"""What a flow can ask for. A flow is a generator that yields these and is sent what comes of them.

Everything that the client does is written once, as a flow without I/O (`submissions`, `waiting`, `downloads`, ...); the
drivers of the two clients, `drivers.Driver` and `drivers.AsyncDriver`, carry out what it asks for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import httpx

from cdmt_client.errors import Unreadable

Json: TypeAlias = dict[str, Any]
Told: TypeAlias = Callable[[str, int, int], None]
"""Called as `told(step, value, max)` while something goes on."""

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Form:
    """A file to be uploaded, from the disk or the memory, and the text fields beside it."""

    file: Path | bytes
    filename: str
    fields: Mapping[str, str] = field(default_factory=dict)
    told: Told | None = None


@dataclass(frozen=True)
class Request:
    """One request. `form` is sent as it is read; it can be sent again."""

    method: str
    path: str
    params: Mapping[str, str | int] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Json | None = None
    form: Form | None = None
    timeout: float | None = None
    """Seconds to wait for the next byte, if they are not the client's."""


@dataclass(frozen=True)
class Answer:
    """What came back; of a stream, the content is still to be read."""

    status: int
    headers: httpx.Headers
    content: bytes = b""

    def json(self) -> Json:
        """The content, which is a JSON object; Unreadable if it is not."""
        try:
            found = json.loads(self.content)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Unreadable("the answer is not JSON of this service: is the address right, and no proxy's page?")
        return found


@dataclass(frozen=True)
class Send:
    """Send the request; back comes an Answer. Unreachable where there is none."""

    request: Request


@dataclass(frozen=True)
class Open:
    """Send the request, closing the stream before; back comes the head of its Answer, whose content is a stream."""

    request: Request


@dataclass(frozen=True)
class Read:
    """Back comes the next part of the open stream, b"" at its end. Unreachable where it breaks."""


@dataclass(frozen=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Tell:
    """Hand an item to whoever iterates over the flow."""

    item: object


Effect: TypeAlias = Send | Open | Read | Pause | Tell
Flow: TypeAlias = Generator[Effect, Any, Result]


def sent(request: Request) -> Flow[Answer]:
    """The answer to a request, whatever it says."""
    return cast(Answer, (yield Send(request)))


def opened(request: Request) -> Flow[Answer]:
    """The head of an answer, to be read with `read`."""
    return cast(Answer, (yield Open(request)))


def read() -> Flow[bytes]:
    """The next part of the opened answer, b"" at its end."""
    return cast(bytes, (yield Read()))


def read_all(head: Answer) -> Flow[Answer]:
    """The opened answer with its content, which is short."""
    parts = []
    while part := (yield from read()):
        parts.append(part)
    return Answer(head.status, head.headers, b"".join(parts))


def with_result(flow: Flow[Result]) -> Flow[None]:
    """The flow with its result as the last item that it tells."""
    yield Tell((yield from flow))
