"""Webhooks: somebody who asked for it is told that a job has ended. Id, kind and state, and nothing else, go out.

A message may come more than once, always under the same `webhook-id`, which is the job's id.
"""

from __future__ import annotations

import asyncio
import json
import time
from datetime import timedelta
from urllib.parse import SplitResult, urlsplit

import httpx
import structlog
from pydantic import ValidationError

from service.api.deps import Services
from service.api.fields import BadFields, FieldError
from service.api.signing import WebhookSecret
from service.contracts.errors import NotFound
from service.contracts.jobs import JobRecord, now
from service.contracts.requests import Webhook
from service.contracts.settings import is_loopback
from service.contracts.webhooks import Delivery

# After the first attempt; those that the specification proposes. Three days in all.
DELAYS_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
TIMEOUT_SECONDS = 15
AT_A_TIME = 20
GONE = 410  # the receiver's word for: never again

log = structlog.get_logger(__name__)


def check_webhook(webhook: Webhook | None, services: Services) -> None:
    """BadFields for an address that this installation sends nothing to."""
    reason = None if webhook is None else _objection(webhook.url, services)
    if reason is not None:
        raise BadFields([FieldError(pointer="/webhook/url", message=reason)])


async def deliver_due(services: Services) -> int:
    """Send every message whose time has come, and put down how that went; returns how many were tried."""
    secret = services.webhook_secret
    if secret is None:
        return 0
    due = await asyncio.to_thread(_due, services)
    slots = asyncio.Semaphore(AT_A_TIME)
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:

        async def deliver(record: JobRecord) -> None:
            async with slots:
                error, is_final = await _attempt(record, client, services=services, secret=secret)
            await asyncio.to_thread(_put_down, record, services, error=error, is_final=is_final)

        await asyncio.gather(*(deliver(record) for record in due))
    return len(due)


def _objection(url: str, services: Services) -> str | None:
    hosts = services.settings.allowed_webhook_hosts
    if not hosts or services.webhook_secret is None:
        return "this installation sends no webhooks (CDMT_WEBHOOK_HOSTS)"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "not a URL"
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "not a URL"
    if "@" in parts.netloc or parts.fragment:
        return "a URL without user, password and fragment is needed"
    if not _is_private_enough(parts, host):
        return "https:// is needed, except to this machine itself"
    name = f"[{host}]" if ":" in host else host
    return (
        None
        if (name if port is None else f"{name}:{port}") in hosts
        else "its host is not among those that are allowed here (CDMT_WEBHOOK_HOSTS)"
    )


def _is_private_enough(parts: SplitResult, host: str) -> bool:
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def _due(services: Services) -> list[JobRecord]:
    """The jobs that have ended and of which somebody shall be told now."""
    due = []
    for job_id in services.outbox.job_ids():
        try:
            record = services.jobs.read(job_id)
        except NotFound:
            services.outbox.remove_left(job_id)
            continue
        except ValidationError:
            log.error("a job of whose end somebody waits to be told cannot be read", job_id=job_id)
            continue
        if record.is_terminal and services.outbox.delivery(job_id).is_due(now()):
            due.append(record)
    return due


async def _attempt(
    record: JobRecord, client: httpx.AsyncClient, *, services: Services, secret: WebhookSecret
) -> tuple[str | None, bool]:
    """What went wrong, None if nothing did; and whether it would again."""
    webhook = record.request.webhook
    assert webhook is not None
    reason = _objection(webhook.url, services)  # the settings may have changed
    if reason is not None:
        return reason, True
    body = message(record)
    headers = secret.headers(record.id, timestamp=int(time.time()), body=body)
    headers |= {"Content-Type": "application/json", "User-Agent": "CDMT-EHR"}
    try:
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            client.stream("POST", webhook.url, content=body, headers=headers) as answer,  # its body is not read
        ):
            return (None if answer.is_success else f"answered {answer.status_code}"), answer.status_code == GONE
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
        return f"no answer ({type(error).__name__})", False


def message(record: JobRecord) -> bytes:
    """What is sent of a job that has ended."""
    at = record.states[-1].at.isoformat()
    data = {"id": record.id, "kind": record.kind, "status": record.status}
    return json.dumps({"type": f"job.{record.status}", "timestamp": at, "data": data}).encode()


def _put_down(record: JobRecord, services: Services, *, error: str | None, is_final: bool) -> None:
    before = services.outbox.delivery(record.id)
    delivery = Delivery(status="delivered", attempts=before.attempts + 1, last_attempt_at=now(), error=error)
    if error is not None:
        delivery = _after_failure(delivery, is_final=is_final)
        log.warning("a webhook failed", job_id=record.id, attempts=delivery.attempts, reason=error)
    services.meters.webhooks.labels(delivery.status).inc()
    try:
        services.outbox.put_down(record.id, delivery)
    except OSError as problem:
        log.error("how a webhook fared cannot be put down", job_id=record.id, errno=problem.errno)


def _after_failure(delivery: Delivery, *, is_final: bool) -> Delivery:
    if is_final or delivery.attempts > len(DELAYS_SECONDS):
        return delivery.model_copy(update={"status": "failed"})
    delay = timedelta(seconds=DELAYS_SECONDS[delivery.attempts - 1])
    return delivery.model_copy(update={"status": "retrying", "next_attempt_at": now() + delay})
