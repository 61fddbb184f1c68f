"""The privacy gate at the door: which cohorts stay inside, and how an admin takes one out all the same."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from starlette.requests import Request

from model.spec.privacy import HeldTest
from service.api.auditing import event
from service.api.deps import Caller, Services
from service.api.fields import SHOWN, BadFields, FieldError
from service.contracts.errors import NotFound, PrivacyHeld
from service.contracts.jobs import JobRecord, PrivacyOverride, now

OVERRIDE_HEADER = "X-Override-Reason"
MAX_REASON = 1000
HOW_TO = f"As the admin you can take it: say why in the header {OVERRIDE_HEADER}, which is put down for all to see."
NOT_HERE = "its model's training data are not here"

log = structlog.get_logger(__name__)


def check_gate(job: JobRecord, request: Request, *, services: Services, caller: Caller) -> None:
    """Let pass, or raise PrivacyHeld. That an admin overrides the gate is on the disk when this returns.

    What was decided is in the job's record, so that it cannot change between the decision and the download.
    """
    why = held_because(job, services)
    if why is None:
        return
    if not caller.is_admin:
        raise PrivacyHeld(why)
    reason = override_reason(request)
    if reason is None:
        raise PrivacyHeld(f"{why} {HOW_TO}")
    _put_down(job, reason, services=services, caller=caller)


def held_because(job: JobRecord, services: Services) -> str | None:
    """Why a cohort stays inside, naming tests, figures and thresholds; None if it does not."""
    result = job.result
    if result is not None and result.privacy == "held":
        why = _told(result.privacy_failed) or (result.privacy_reason or "a test broke").rstrip(".")
        return f"The privacy gate holds this cohort back: {why}."
    untested = result is None or result.privacy in (None, "not_evaluated")
    if untested and not _may_leave_untested(job, services):
        why = (result and result.privacy_reason) or NOT_HERE
        return (
            f"This cohort could not be tested ({why.rstrip('.')}), and this installation holds such cohorts back "
            "(CDMT_PRIVACY_NOT_EVALUATED)."
        )
    return None


def _may_leave_untested(job: JobRecord, services: Services) -> bool:
    """By default only what the bundled models drew: nobody can make another model one of those."""
    setting = services.settings.privacy_not_evaluated
    if setting != "bundled":
        return setting == "release"
    try:
        return services.store.model(str(job.model_id)).origin == "bundled"
    except NotFound:
        return False


def override_reason(request: Request) -> str | None:
    """The reason that the request states; None if it states none. BadFields for one that cannot be put down."""
    raw = request.headers.get(OVERRIDE_HEADER, "").encode("latin-1")
    try:
        reason = raw.decode().strip()
    except UnicodeDecodeError:
        reason = raw.decode("latin-1").strip()
    if not reason:
        return None
    if len(reason) > MAX_REASON or not reason.isprintable():
        message = f"not printable text of at most {MAX_REASON} characters"
        raise BadFields([FieldError(pointer=OVERRIDE_HEADER, message=message)])
    return reason


def _put_down(job: JobRecord, reason: str, *, services: Services, caller: Caller) -> None:
    failed = tuple(dict.fromkeys(test.name for test in job.result.privacy_failed)) if job.result else ()
    override = PrivacyOverride(
        at=now(),
        caller=caller.name or "admin",
        address=caller.address,
        request_id=caller.request_id,
        reason=reason,
        failed=failed,
    )
    details = {"reason": reason, "failed": ",".join(failed)}
    with services.audit.recorded(event("gate.override", f"job/{job.id}", caller=caller, **details)):
        services.jobs.add_override(job.id, override)
    log.warning("privacy_override", job_id=job.id, caller=override.caller, reason=reason, failed=list(failed))


def _told(failed: Sequence[HeldTest]) -> str:
    """Each test once by name, with figure, lower bound and threshold where it failed first."""
    first = {test.name: test for test in reversed(failed)}
    named = [first[name] for name in dict.fromkeys(test.name for test in failed)]
    words = "; ".join(f"{test.name} ({test.detail})" for test in named[:SHOWN])
    return words + (f"; and {len(named) - SHOWN} more" if len(named) > SHOWN else "")
