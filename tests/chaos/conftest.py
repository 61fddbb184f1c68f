"""A stack to be ill-treated, a client that watches, and how often: CDMT_CHAOS_ROUNDS, CDMT_CHAOS_SEED."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from random import SystemRandom

import pytest

from tests.chaos.client import Client
from tests.chaos.disk import small_disk
from tests.chaos.furniture import furnish
from tests.chaos.stack import LEASE_SECONDS, Stack, running
from tests.worker.conftest import train_tiny

ROUNDS = int(os.environ.pop("CDMT_CHAOS_ROUNDS", "1"))
SEED = int(os.environ.pop("CDMT_CHAOS_SEED", "") or SystemRandom().randrange(10**6))


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Valkey, the gateway and four workers, two of which generate, over a store on a small disk."""
    folder = tmp_path_factory.mktemp("chaos")
    with small_disk(folder / "var") as data_dir:
        furnish(data_dir, train_tiny(folder / "tiny"))
        with running(
            folder,
            data_dir=data_dir,
            lease_seconds=LEASE_SECONDS,
            reconcile_every_seconds=1,
            checkpoint_every_seconds=0.2,
            chunk_size=100,
            precision="float32",  # auto measures, and may choose otherwise on a busy machine
        ) as stack:
            yield stack


@pytest.fixture(scope="module")
def truth() -> dict[str, str]:
    """Name of a job -> sha256 of its result without faults, as far as it is known yet."""
    return {}


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    """A client that polls until the test ends."""
    client = Client(stack)
    yield client
    client.close()


@pytest.fixture(scope="module")
def log_folder(stack: Stack) -> Path:
    """Where the processes write."""
    return stack.gateway.log.parent
