"""What is accepted is finished, though containers are killed: `docker compose kill`, then `docker compose up -d`."""

from __future__ import annotations

import httpx
import pytest

from tests.docker.asking import FINAL, LONG, SHORT, check_cohort, submit, wait
from tests.docker.conftest import compose

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

JUDGED = 400
"""Stays of a cohort with a report."""


@pytest.mark.parametrize(
    "killed",
    [["worker-generate"], ["worker-evaluate"], ["gateway"], ["redis"], []],
    ids=["worker-generate", "worker-evaluate", "gateway", "redis", "everything"],
)
def test_jobs_outlive_a_kill(killed: list[str], port: int, client: httpx.Client) -> None:
    """An empty list kills all containers at once, as a power cut does."""
    jobs = {submit(client, LONG): LONG, submit(client, JUDGED, evaluate=True): JUDGED, submit(client, SHORT): SHORT}
    first, judged, _ = jobs
    wait(client, judged if killed == ["worker-evaluate"] else first, "running", *FINAL)

    assert compose("kill", *killed, port=port).returncode == 0
    up = compose("up", "--detach", "--wait", "--no-build", port=port)
    assert up.returncode == 0, up.stderr

    for job_id, n_stays in jobs.items():
        check_cohort(client, wait(client, job_id, *FINAL), n_stays)
    assert client.get(f"/jobs/{judged}/report").status_code == 200
