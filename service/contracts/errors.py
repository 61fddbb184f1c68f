"""What can go wrong between gateway, worker and store.

CDMTError
└── ServiceError
    ├── NotFound            there is no dataset, model, job or cohort of that id
    ├── AlreadyPublished    something is stored under that id already
    ├── InUse               a dataset or model that an unfinished job needs
    ├── IllegalTransition   a job cannot go from its state to the wanted one
    ├── NotReady            a job that has not produced the wanted thing (yet)
    ├── PrivacyHeld         a cohort that the privacy gate holds back
    ├── AccessRefused       who asks is not let in, or may not do this
    │   ├── Unauthorized        nobody says who they are
    │   │   ├── WrongCredential     a key or a token that is not one of ours
    │   │   └── EndedCredential     one that was: expired, revoked, replaced
    │   ├── TooManyAttempts     so many wrong ones came from an address that no more are looked at now
    │   ├── Forbidden           this caller may not do this
    │   │   └── MissingScope        for want of a scope
    │   ├── CrossSite           a request that another site's page may have made
    │   └── ProviderUnavailable the identity provider's keys cannot be read now
    ├── KeyEnded            a key that was revoked or has expired cannot be rotated
    ├── BadKeyFile          a file that shall hold a key or a secret holds none
    ├── KeyInFlight         a request with the same Idempotency-Key is being handled
    ├── KeyReused           an Idempotency-Key that came with another request before
    ├── TooManyJobs         a caller has as many unfinished jobs as this installation allows
    ├── LimitExceeded       a request asks for more than this installation allows
    ├── BadInstallation     the file with the installation's id holds something else
    ├── UnusableFolder      a data folder of a newer version, half restored, or in use by another gateway
    ├── BadBackup           what shall be restored is no whole backup
    ├── Undecryptable       a stored file that none of the keys opens, or that was altered
    ├── AuditUnavailable    the audit log cannot be written, or is not as it was left
    └── QueueUnavailable    Redis does not answer
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from model.spec.errors import CDMTError


class ServiceError(CDMTError):
    """Base of what the service, not the model, raises on purpose."""


class NotFound(ServiceError):
    """There is no `noun` called `thing_id`."""

    def __init__(self, noun: str, thing_id: str) -> None:
        super().__init__(f"there is no {noun} '{thing_id}'")
        self.noun = noun
        self.thing_id = thing_id


class AlreadyPublished(ServiceError):
    """Something is stored under this id already; it stays as it is."""


class InUse(ServiceError):
    """A dataset or model cannot be deleted while an unfinished job needs it."""


class IllegalTransition(ServiceError):
    """A job cannot go from the state that it is in to the wanted one."""


class NotReady(ServiceError):
    """The job has not produced what was asked for: it has not finished, or it failed, or it was not asked to."""


class PrivacyHeld(ServiceError):
    """The privacy gate holds the cohort back; the message names the tests, their figures and thresholds."""


class AccessRefused(ServiceError):
    """Who asks is not let in, or may not do this; `reason` is the word for it in logs."""

    reason: ClassVar[str]


class Unauthorized(AccessRefused):
    """The request does not say who makes it."""

    reason = "no_credential"


class WrongCredential(Unauthorized):
    """The request comes with a key or a token that is not one of ours."""

    reason = "wrong_credential"


class EndedCredential(Unauthorized):
    """The key, token or session was good once: it has expired, or it was revoked or replaced."""

    reason = "ended_credential"


class TooManyAttempts(AccessRefused):
    """So many wrong keys have come from an address that no unknown one is looked at before `retry_after` seconds."""

    reason = "too_many_attempts"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"too many wrong keys have come from this address; try again in {retry_after} s")
        self.retry_after = retry_after


class Forbidden(AccessRefused):
    """The caller is known and may not do this."""

    reason = "not_owner"


class MissingScope(Forbidden):
    """The caller has none of the scopes by which this is allowed, the first of which is `scope`."""

    reason = "missing_scope"

    def __init__(self, wanted: Sequence[str], had: Collection[str]) -> None:
        words = " or ".join(f"'{scope}'" for scope in wanted) or "that nobody has"
        super().__init__(f"this needs the scope {words}; you have {', '.join(sorted(had)) or 'none'}")
        self.wanted = tuple(wanted)


class CrossSite(AccessRefused):
    """A request with a session's cookie and without the proof that a page of ours has made it."""

    reason = "cross_site"


class ProviderUnavailable(AccessRefused):
    """Whether a token is good cannot be told: the keys of the identity provider cannot be read now."""

    reason = "provider_unavailable"


class KeyEnded(ServiceError):
    """A key that was revoked or has expired cannot be rotated."""


class BadKeyFile(ServiceError):
    """A file that shall hold a key or a secret cannot be read, or holds none of the needed length."""


class LimitExceeded(ServiceError):
    """A request asks for more than the settings of this installation allow; `pointer` says which field."""

    def __init__(self, message: str, *, pointer: str) -> None:
        super().__init__(message)
        self.pointer = pointer


class BadInstallation(ServiceError):
    """The file that shall hold the id of this installation holds something else."""


class UnusableFolder(ServiceError):
    """A data folder that cannot be used as it is; the message says what to do about it."""


class BadBackup(ServiceError):
    """What shall be restored is no backup, or a part of one."""


class KeyInFlight(ServiceError):
    """Another request with the same Idempotency-Key is being handled."""


class KeyReused(ServiceError):
    """The Idempotency-Key came with another request before."""


class TooManyJobs(ServiceError):
    """A caller has as many jobs that have not ended as this installation allows."""


class Undecryptable(ServiceError):
    """A file that is encrypted cannot be read: the key is not there, or the file is not what was written."""


class AuditUnavailable(ServiceError):
    """What must be put down in the audit log cannot be, so it is not done; `errno` says why, if the disk is why."""

    def __init__(self, message: str, *, errno: int | None = None) -> None:
        super().__init__(message)
        self.errno = errno


class QueueUnavailable(ServiceError):
    """Redis does not answer, so that no job can be queued or stopped now."""
