"""What every job of a worker process works with: the store, the records, the loaded models, the device."""

from __future__ import annotations

from dataclasses import dataclass

from redis import Redis

from model.compute import Compute
from service.contracts.figures import Figures
from service.contracts.installation import installation_id
from service.contracts.job_store import JobStore
from service.contracts.redis_url import redis_url
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from service.contracts.vault import open_files
from worker.models import ModelCache
from worker.progress import impatient_redis


@dataclass(frozen=True)
class Workshop:
    """Made once per process, handed to every job."""

    settings: Settings
    store: ArtifactStore
    jobs: JobStore
    redis: Redis
    models: ModelCache
    compute: Compute
    figures: Figures
    worker: str = "worker"


def open_workshop(settings: Settings, *, worker: str = "worker") -> Workshop:
    """The workshop that `settings` describe, of the `worker` of this name; they must name a Redis."""
    url = redis_url(settings)
    assert url is not None
    store = ArtifactStore(settings.data_dir, files=open_files(settings.encryption_key_file))
    compute = Compute(device=settings.device, precision=settings.precision, engine=settings.engine)
    redis = impatient_redis(url)
    return Workshop(
        settings=settings,
        store=store,
        jobs=JobStore(store, retention_seconds=settings.retention_seconds),
        redis=redis,
        models=ModelCache(store, size=settings.model_cache_size, compute=compute),
        compute=compute,
        figures=Figures(redis, installation_id(store.root)),
        worker=worker,
    )
