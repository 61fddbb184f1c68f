"""A real gateway, uvicorn over a real Valkey: one for all tests of the API, emptied before each."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import structlog
import uvicorn
from fastapi import FastAPI
from redis import Redis

from service.api.app import create_app
from service.contracts.idempotency import KeyStore
from service.contracts.keys import ApiKeys, Scope
from service.contracts.settings import Settings
from service.contracts.storage import KINDS, ArtifactStore


class Gateway(NamedTuple):
    """A running gateway: its settings, a client of it, and the app itself."""

    settings: Settings
    client: httpx.Client
    app: FastAPI


class Keyed(NamedTuple):
    """A running gateway that asks everybody who they are, and what it works on."""

    settings: Settings
    client: httpx.Client
    keys: ApiKeys
    store: ArtifactStore

    def key(self, name: str, *scopes: Scope) -> dict[str, str]:
        """The headers of somebody with a new key."""
        return {"Authorization": f"Bearer {self.keys.create(name, scopes=scopes).key}"}


@contextmanager
def serving(app: FastAPI) -> Iterator[httpx.Client]:
    """A client of `app`, which is served over HTTP meanwhile."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[Gateway]:
    """The gateway of this test session. Its reconciler is asleep: the tests of the queue call it themselves."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("gateway"), max_stays=1_000_000, reconcile_every_seconds=1e6)
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())
    app = create_app(settings, redis_url=valkey_url)
    with serving(app) as client:
        yield Gateway(settings, client, app)
    structlog.reset_defaults()


@pytest.fixture
def settings(gateway: Gateway) -> Settings:
    """The settings of the gateway, whose store is empty."""
    store = ArtifactStore(gateway.settings.data_dir)
    for kind in KINDS:
        for thing_id in store.ids(kind):
            store.remove(kind, thing_id)
    for folder in KeyStore(gateway.settings.data_dir).root.iterdir():
        shutil.rmtree(folder)
    return gateway.settings


@pytest.fixture
def client(gateway: Gateway, settings: Settings, redis: Redis) -> httpx.Client:
    """A client of the gateway, which knows nothing yet."""
    gateway.client.cookies.clear()
    return gateway.client


@pytest.fixture
def keyed(tmp_path: Path, valkey_url: str, redis: Redis) -> Iterator[Keyed]:
    """A gateway of its own for the test. There is no key yet."""
    settings = Settings(data_dir=tmp_path / "var", auth="keys", reconcile_every_seconds=1e6)
    with serving(create_app(settings, redis_url=valkey_url)) as client:
        yield Keyed(settings, client, ApiKeys(settings.data_dir), ArtifactStore(settings.data_dir))
