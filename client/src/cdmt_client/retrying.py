"""Questions that are asked again: after a broken connection, and where the service asks to come later."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from cdmt_client import errors
from cdmt_client.effects import Answer, Flow, Pause, Request, sent
from cdmt_client.errors import CohortError, NotFound, Refused, Unreachable

PASSING = frozenset({429, 502, 503, 504})
IN_FLIGHT = "key-in-flight"
MAX_SHOWN = 200

BY_STATUS: dict[int, type[Refused]] = {
    400: errors.InvalidRequest,
    401: errors.Unauthorized,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.InvalidRequest,
    415: errors.InvalidRequest,
    422: errors.InvalidRequest,
    429: errors.RateLimited,
}
BY_SLUG: dict[str, type[Refused]] = {"privacy-held": errors.CohortHeld}


@dataclass(frozen=True)
class Retries:
    """For how many seconds in all to try again, and how the pauses in between grow: exponentially, with jitter.

    `seconds` count from the first failure, anew after each success; 0: never try again. However long a try takes,
    there are `least` of them. A pause is never shorter than the service's Retry-After; one that is longer than the
    patience is not waited for.
    """

    seconds: float = 30
    least: int = 3
    first: float = 0.25
    longest: float = 15


DEFAULT = Retries()


class Patience:
    """How long to go on after a failure."""

    def __init__(self, retries: Retries) -> None:
        self.retries = retries
        self.renew()

    def renew(self) -> None:
        """Something has worked."""
        self.tries = 0
        self.deadline: float | None = None

    def pause(self, error: CohortError) -> float:
        """Seconds until the next try; raises the error where patience has come to its end."""
        now = time.monotonic()
        if self.deadline is None:
            self.deadline = now + self.retries.seconds
        ceiling = min(self.retries.first * 2.0**self.tries, self.retries.longest)
        self.tries = min(self.tries + 1, 30)
        seconds = ceiling * random.uniform(0.5, 1)  # noqa: S311  so that not all clients come back at once
        seconds = max(seconds, getattr(error, "retry_after", None) or 0)
        if now + seconds > self.deadline and (self.tries >= self.retries.least or seconds > self.retries.seconds):
            raise error
        return seconds


def answered(request: Request, retries: Retries) -> Flow[Answer]:
    """The answer to a request that does no harm when it is sent twice; raises Refused or Unreachable.

    A deletion whose answer was lost is done when there is nothing to delete any more.
    """
    patience = Patience(retries)
    while True:
        try:
            answer = yield from sent(request)
            check(answer)
        except NotFound:
            if request.method == "DELETE" and patience.tries:
                return answer
            raise
        except (Refused, Unreachable) as error:
            if not is_passing(error):
                raise
            if isinstance(error, Refused) and error.slug == IN_FLIGHT:
                patience.deadline = None  # the service is at work on the first try
            seconds = patience.pause(error)
        else:
            return answer
        yield Pause(seconds)


def check(answer: Answer) -> None:
    """Raise the Refused that an answer stands for, if it is one."""
    if answer.status < 400:
        return
    try:
        problem: Mapping[str, object] = answer.json()
    except CohortError:  # of something between the service and us
        problem = {"detail": answer.content[:MAX_SHOWN].decode(errors="replace").strip() or None}
    default = errors.ServerError if answer.status >= 500 else Refused
    kind = BY_STATUS.get(answer.status, default)
    error = kind(answer.status, problem, retry_after=retry_after(answer))
    raise BY_SLUG.get(error.slug, kind)(answer.status, problem, retry_after=error.retry_after)


def is_passing(error: Refused | Unreachable) -> bool:
    """Whether the same request may well be answered otherwise a little later."""
    if isinstance(error, Unreachable):
        return error.is_passing
    return error.status in PASSING or error.slug == IN_FLIGHT


def retry_after(answer: Answer) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date."""
    text = answer.headers.get("retry-after", "")
    if text.isdecimal():
        return float(text)
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return None
    if then.tzinfo is None:
        return None
    return max(0.0, (then - datetime.now(timezone.utc)).total_seconds())
