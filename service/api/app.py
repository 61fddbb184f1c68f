"""The gateway as one object: routes, what stands before them, and what runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version

import structlog
from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from redis.exceptions import RedisError
from starlette.middleware import Middleware

from service.api import access, errors
from service.api.attempts import Attempts
from service.api.auditing import start_event
from service.api.auth import Authenticator, read_admin_key
from service.api.deps import Services
from service.api.guard import Guard
from service.api.headers import SecurityHeaders
from service.api.metrics import Meters
from service.api.middleware import BodyLimit, HeadAsGet, HostCheck, RequestContext
from service.api.oidc import tokens_of
from service.api.openapi import PROBLEM_RESPONSE, with_access_and_problems
from service.api.pages import all as pages
from service.api.quota import Quota
from service.api.refusals import RefusalAudit
from service.api.retention import sweep_expired, sweep_old
from service.api.routes import audit, datasets, health, jobs, keys, models, schemas, session
from service.api.sessions import Sessions
from service.api.signing import read_webhook_secret
from service.api.watch import JobWatch
from service.api.webhooks import deliver_due
from service.audit.opening import open_audit
from service.bundled import register_bundled
from service.connection import connect, connect_for_news
from service.contracts.errors import AccessRefused, AuditUnavailable
from service.contracts.idempotency import KeyStore
from service.contracts.job_store import JobStore
from service.contracts.keys import ApiKeys
from service.contracts.sealing import check_key
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from service.contracts.vault import open_files
from service.contracts.webhooks import Outbox
from service.jobs import JobQueue
from service.reconciler import Reconciler

DESCRIPTION = "Learns from ICU stays, and generates synthetic cohorts with the label ratios that you ask for."

log = structlog.get_logger(__name__)


def create_app(settings: Settings, *, redis_url: str) -> FastAPI:
    """The gateway over the store that `settings` name and the queue at `redis_url`, which need not answer yet.

    BadKeyFile where the settings name a file for a key or a secret that holds none.
    """
    services = _open_services(settings, redis_url)
    app = FastAPIOffline(
        title="CDMT-EHR",
        version=_version(),
        description=DESCRIPTION,
        lifespan=_lifespan,
        middleware=_middleware(services),
        dependencies=[Depends(access.permitted)],
        redirect_slashes=False,  # it would lead to whatever host the request names
        responses=PROBLEM_RESPONSE,
    )
    app.state.services = services
    errors.install(app)
    app.add_exception_handler(AccessRefused, access.refused)
    for routes in (datasets, jobs, models, schemas, audit, keys, session, health):
        app.include_router(routes.router)
    for router in pages.ROUTERS:
        app.include_router(router)
    app.openapi = with_access_and_problems(app)  # type: ignore[method-assign]
    return app


def _open_services(settings: Settings, redis_url: str) -> Services:
    store = ArtifactStore(settings.data_dir, files=open_files(settings.encryption_key_file))
    check_key(store)
    jobs = JobStore(store, retention_seconds=settings.retention_seconds)
    redis = connect(redis_url)
    queue = JobQueue(redis=redis, jobs=jobs, settings=settings)
    reconciler = Reconciler(queue)
    api_keys = ApiKeys(settings.data_dir)
    return Services(
        settings=settings,
        store=store,
        jobs=jobs,
        queue=queue,
        reconciler=reconciler,
        keys=KeyStore(settings.data_dir),
        quota=Quota(jobs, max_jobs=settings.max_queued_jobs, max_stays=settings.max_queued_stays),
        watch=JobWatch(jobs=jobs, redis=redis, news=connect_for_news(redis_url)),
        outbox=Outbox(store),
        meters=Meters(queue, reconciler),
        audit=open_audit(settings),
        webhook_secret=read_webhook_secret(settings.webhook_secret_file),
        authenticator=Authenticator(
            api_keys,
            admin_key=read_admin_key(settings.admin_key_file, api_keys),
            tokens=tokens_of(settings),
        ),
        attempts=Attempts(),
        sessions=Sessions(seconds=settings.session_seconds),
    )


def _middleware(services: Services) -> list[Middleware]:
    settings = services.settings
    limits = {"max_body_bytes": settings.max_body_bytes, "max_upload_bytes": settings.max_upload_bytes}
    host_check = [Middleware(HostCheck, host=settings.host)] if settings.is_auth_off else []
    return [
        Middleware(SecurityHeaders),
        Middleware(RequestContext, meters=services.meters),
        Middleware(RefusalAudit, audit=services.audit),
        *host_check,
        Middleware(Guard, services=services),
        Middleware(BodyLimit, uploads=frozenset({"/datasets", "/models", "/jobs/evaluate"}), **limits),
        Middleware(HeadAsGet),
    ]


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    _warn(services)
    for model_id in register_bundled(services.store):
        log.info("bundled model registered", model_id=model_id)
    await asyncio.to_thread(_put_down_start, services)
    beside = [asyncio.create_task(loop(services)) for loop in (_reconcile_for_ever, _deliver_for_ever)]
    yield
    services.watch.close()
    for task in beside:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    services.queue.redis.close()


def _put_down_start(services: Services) -> None:
    """In the audit log, which seals what a crash has torn. A damaged one is no reason not to start: it refuses more."""
    admin_key = services.authenticator.admin_key
    started = start_event(services.settings, _version(), admin_key_id=admin_key.id if admin_key else None)
    try:
        services.audit.append(started)
    except AuditUnavailable as error:
        log.error("audit_unavailable", detail=str(error))


def _warn(services: Services) -> None:
    settings = services.settings
    if settings.is_auth_off:
        log.warning("nobody is asked who they are: whoever reaches this machine's loopback may use the service")
    elif not (settings.admin_key_file or settings.oidc_issuer or services.authenticator.keys.are_any()):
        log.warning("there is no key yet, so nobody is let in: cdmt keys create <name> --scope admin")


async def _reconcile_for_ever(services: Services) -> None:
    """Repair what crashes left behind, at the start and then again and again."""
    settings = services.settings
    sweep = partial(services.store.sweep_staging, max_age_seconds=settings.staging_max_age_seconds)
    while True:
        await _try(sweep)
        await _try(services.keys.sweep)
        await _try(services.reconciler.reconcile)
        await _try(partial(sweep_expired, services))
        await _try(partial(sweep_old, services))
        await asyncio.sleep(settings.reconcile_every_seconds)


async def _deliver_for_ever(services: Services) -> None:
    """Tell those who asked for it that their jobs have ended. Apart from repairs: a receiver may be slow."""
    while True:
        try:
            await deliver_due(services)
        except Exception as error:
            log.error("the delivery of webhooks failed; it will be tried again", exc_info=error)
        await asyncio.sleep(services.settings.reconcile_every_seconds)


async def _try(repair: Callable[[], object]) -> None:
    try:
        await asyncio.to_thread(repair)
    except RedisError:
        log.warning("no reconciliation: the job queue does not answer")
    except Exception as error:
        log.error("reconciliation failed; it will be tried again", exc_info=error)


def _version() -> str:
    try:
        return version("cdmt-ehr")
    except PackageNotFoundError:
        return "0.0.0"
