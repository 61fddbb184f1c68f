"""The images are built, and the composition runs."""

from __future__ import annotations

import httpx
import pytest

from tests.docker.asking import FINAL, SHORT, check_cohort, submit, wait
from tests.docker.conftest import compose

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]


def test_without_a_key_nobody_gets_in(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        assert client.get("/models").status_code == 401
        assert client.get("/readyz").status_code == 200


def test_a_cohort_is_generated_from_outside(client: httpx.Client) -> None:
    check_cohort(client, wait(client, submit(client, SHORT), *FINAL), SHORT)


@pytest.mark.parametrize("service", ["gateway", "worker-train", "worker-generate", "worker-evaluate"])
def test_no_process_of_ours_is_root(service: str, port: int) -> None:
    assert compose("exec", "-T", service, "id", "-u", port=port).stdout.strip() == "10001"


@pytest.mark.parametrize(("service", "status"), [("gateway", 1), ("worker-generate", 0)])
def test_torch_is_in_the_worker_s_image_alone(service: str, status: int, port: int) -> None:
    assert compose("exec", "-T", service, "python3", "-c", "import torch", port=port).returncode == status


def test_a_worker_reaches_nothing_outside(port: int) -> None:
    connect = "import socket; socket.create_connection(('192.0.2.1', 80), 3)"
    assert compose("exec", "-T", "worker-generate", "python3", "-c", connect, port=port).returncode == 1
