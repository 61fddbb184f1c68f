"""What tests of several packages share: a real Valkey, the shared data, settings over a folder of their own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from service.contracts.settings import Settings
from service.valkey import find_server, wait_until_ready

# One thread per test process: torch's own choice is slower on a busy machine. Before anybody imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Read now: some tests empty the environment of what is ours.
SHARED_DATA = Path(os.environ.get("CDMT_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def challenge2012() -> Path:
    """The hourly table of Challenge 2012, first 25 hours."""
    path = SHARED_DATA / "challenge2012_hourly_0_24.parquet"
    if not path.exists():
        pytest.skip(f"{path.name} is not in {SHARED_DATA}; set CDMT_SHARED_DATA to the folder that holds it")
    return path


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """URL of a real Valkey that lives as long as the test session and keeps nothing."""
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:  # short: a socket's path has at most 107 bytes
        socket = Path(folder) / "s"
        options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", folder]
        with subprocess.Popen([str(find_server()), *options], stdout=subprocess.DEVNULL) as process:
            url = f"unix://{socket}"
            wait_until_ready(url, child=process)
            yield url
            process.terminate()


@pytest.fixture
def redis(valkey_url: str) -> Iterator[Redis]:
    """A connection to the Valkey of this session, empty before each test."""
    with Redis.from_url(valkey_url) as connection:
        connection.flushall()
        yield connection


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose data lie in a fresh folder, whatever the environment says."""
    for name in [name for name in os.environ if name.startswith("CDMT_") or name == "REDIS_URL"]:
        monkeypatch.delenv(name)
    return Settings(data_dir=tmp_path / "var")
