"""What can go wrong between gateway, worker and store.

CDMTError
└── ServiceError
    ├── NotFound            there is no dataset, model, job or cohort of that id
    ├── AlreadyPublished    something is stored under that id already
    ├── InUse               a dataset or model that an unfinished job needs
    ├── IllegalTransition   a job cannot go from its state to the wanted one
    ├── NotReady            a job that has not produced the wanted thing (yet)
    ├── PrivacyHeld         a cohort that the privacy gate holds back
    ├── Unauthorized        a key that is not the admin's
    ├── BadKeyFile          a file that shall hold a key or a secret holds none
    ├── KeyInFlight         a request with the same Idempotency-Key is being handled
    ├── KeyReused           an Idempotency-Key that came with another request before
    ├── TooManyJobs         a caller has as many unfinished jobs as this installation allows
    ├── LimitExceeded       a request asks for more than this installation allows
    ├── BadInstallation     the file with the installation's id holds something else
    ├── AuditUnavailable    the audit log cannot be written, or is not as it was left
    └── QueueUnavailable    Redis does not answer
"""

from __future__ import annotations

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


class Unauthorized(ServiceError):
    """The request comes with a key that is not the admin's."""


class BadKeyFile(ServiceError):
    """A file that shall hold a key or a secret cannot be read, or holds none of the needed length."""


class LimitExceeded(ServiceError):
    """A request asks for more than the settings of this installation allow; `pointer` says which field."""

    def __init__(self, message: str, *, pointer: str) -> None:
        super().__init__(message)
        self.pointer = pointer


class BadInstallation(ServiceError):
    """The file that shall hold the id of this installation holds something else."""


class KeyInFlight(ServiceError):
    """Another request with the same Idempotency-Key is being handled."""


class KeyReused(ServiceError):
    """The Idempotency-Key came with another request before."""


class TooManyJobs(ServiceError):
    """A caller has as many jobs that have not ended as this installation allows."""


class AuditUnavailable(ServiceError):
    """What must be put down in the audit log cannot be, so it is not done."""


class QueueUnavailable(ServiceError):
    """Redis does not answer, so that no job can be queued or stopped now."""
