"""What can go wrong, in one tree.

CohortError
├── Unreachable             no connection, or it broke, for longer than the client has patience
├── Unreadable              an answer that is not this service's, or a local file that cannot be sent
├── Timeout                 a job has not ended within the time that `wait` was given; it goes on
├── ChecksumMismatch        a download differs from what the service says that it is, twice
├── Ambiguous               a name that several things have, or none was named and there is not exactly one
├── JobEnded                the job that was waited for has not succeeded
│   ├── JobFailed
│   └── JobCancelled
└── Refused                 the service answered with a problem document (RFC 9457)
    ├── InvalidRequest          400, 413, 415, 422: `errors` says what is wrong with which field
    ├── Unauthorized            401: no key, or one that is not good (any more)
    ├── Forbidden               403: not with this key
    │   └── CohortHeld              the privacy gate holds the cohort back
    ├── NotFound                404
    ├── Conflict                409: not in this state
    ├── RateLimited             429: `retry_after` seconds from now
    └── ServerError             5xx
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


class CohortError(Exception):
    """Base of all that this client raises on purpose.

    `problem` is the problem document where the service gave one, `request_id` what its log knows the request by.
    """

    problem: Mapping[str, Any] = MappingProxyType({})
    request_id: str | None = None


class Unreachable(CohortError):
    """The service cannot be reached, or a connection to it broke."""

    def __init__(self, message: str, *, is_passing: bool = True) -> None:
        super().__init__(message)
        self.is_passing = is_passing


class Unreadable(CohortError):
    """An answer that no such service gives, or something local that cannot be used."""


class Timeout(CohortError):
    """The job has not ended in time. It goes on: wait for it again, or cancel it."""


class ChecksumMismatch(CohortError):
    """What has arrived is not what the service says that it sent; nothing of it was kept."""


class Ambiguous(CohortError):
    """It cannot be told which one is meant; the message lists what there is."""


class JobEnded(CohortError):
    """The job ended without what it was to make. `job` is its last state as JSON, `problem` the reason, if any."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        self.job = job
        self.problem = job.get("error") or {}
        reason = self.problem.get("detail")
        super().__init__(f"job '{job['id']}' {_ENDED[job['status']]}" + (f": {reason}" if reason else ""))


class JobFailed(JobEnded):
    """The job has failed."""


class JobCancelled(JobEnded):
    """Somebody has cancelled the job."""


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field: a JSON Pointer into the body, `?name` for a parameter, or a header."""

    pointer: str
    message: str


class Refused(CohortError):
    """The service said no."""

    def __init__(self, status: int, problem: Mapping[str, Any], *, retry_after: float | None = None) -> None:
        self.status = status
        self.problem = problem
        self.request_id = problem.get("request_id")
        self.retry_after = retry_after
        detail = problem.get("detail") or problem.get("title") or "no reason is given"
        super().__init__(f"{status}: {detail}")

    @property
    def slug(self) -> str:
        """The last word of the problem's type, such as `not-found`."""
        return str(self.problem.get("type", "")).rpartition(":")[2]


class InvalidRequest(Refused):
    """What was asked for, or the table that was sent, cannot be used as it is."""

    @property
    def errors(self) -> tuple[FieldError, ...]:
        """The fields that are wrong, and how."""
        return tuple(FieldError(e["pointer"], e["message"]) for e in self.problem.get("errors") or ())


class Unauthorized(Refused):
    """No key, or one that is not good (any more)."""


class Forbidden(Refused):
    """This key does not allow it."""


class CohortHeld(Forbidden):
    """The privacy gate holds the cohort back; the message names the tests."""


class NotFound(Refused):
    """There is no such thing here, or it is somebody else's."""


class Conflict(Refused):
    """The state of the thing does not allow it (yet)."""


class RateLimited(Refused):
    """Too much at once; `retry_after` says in how many seconds to come again."""


class ServerError(Refused):
    """Something went wrong over there."""


_ENDED = {"failed": "has failed", "cancelled": "was cancelled"}
