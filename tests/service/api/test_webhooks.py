from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from redis import Redis

from service.api.app import create_app
from service.api.deps import Services
from service.api.webhooks import DELAYS_SECONDS, deliver_due
from service.contracts.jobs import now
from service.contracts.requests import GenerateRequest, Webhook
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore
from service.contracts.webhooks import Delivery
from tests.service.api.conftest import serving
from tests.service.api.test_bad_input import check_problem, wait_until
from tests.service.api.test_signing import SECRET
from tests.service.making import add_job, add_model, finish_generate, parquet, table


class Received(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver(NamedTuple):
    """A web server that somebody else runs: what it got, and the statuses that it will answer."""

    host: str
    got: list[Received]
    answers: list[int]

    @property
    def url(self) -> str:
        return f"http://{self.host}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    got: list[Received] = []
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(answers.pop(0) if answers else 204)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Receiver(f"127.0.0.1:{server.server_port}", got, answers)
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def with_webhooks(settings: Settings, receiver: Receiver, tmp_path: Path) -> Settings:
    """Settings that allow webhooks to the receiver, among others."""
    path = tmp_path / "secret"
    path.write_text(SECRET)
    hosts = f"hooks.example.org, Hooks.example.org:8443,{receiver.host}, [::1]:9"
    return settings.model_copy(update={"webhook_hosts": hosts, "webhook_secret_file": path})


@pytest.fixture
def services(with_webhooks: Settings, valkey_url: str) -> Services:
    """Those of a gateway that is not served, so that the test delivers by itself."""
    found: Services = create_app(with_webhooks, redis_url=valkey_url).state.services
    return found


@contextmanager
def gateway_with(settings: Settings, valkey_url: str, *, seconds: float = 1e6) -> Iterator[httpx.Client]:
    changed = settings.model_copy(update={"reconcile_every_seconds": seconds})
    with serving(create_app(changed, redis_url=valkey_url)) as client:
        yield client


def ended_job(services: Services, url: str, job_id: str = "job-1") -> str:
    services.outbox.add(job_id)
    request = GenerateRequest(model_id="model-1", n_stays=2, webhook=Webhook(url=url))
    add_job(services.store, job_id, request)
    finish_generate(services.store, job_id)
    return job_id


def deliver(services: Services) -> int:
    return asyncio.run(deliver_due(services))


def hurry(services: Services, job_id: str = "job-1") -> None:
    """As if the time of the next attempt had come."""
    delivery = services.outbox.delivery(job_id)
    services.outbox.put_down(job_id, delivery.model_copy(update={"next_attempt_at": now()}))


def check_signature(received: Received) -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    headers = received.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + received.body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert abs(time.time() - int(headers["webhook-timestamp"])) < 60


def test_the_end_of_a_job_is_told_signed_and_says_nothing_more(services: Services, receiver: Receiver) -> None:
    job_id = ended_job(services, receiver.url + "?token=1")
    assert deliver(services) == 1
    (received,) = receiver.got
    check_signature(received)
    assert received.path == "/hook?token=1"
    assert received.headers["webhook-id"] == job_id
    assert received.headers["content-type"] == "application/json"
    body = json.loads(received.body)
    assert body["data"] == {"id": job_id, "kind": "generate", "status": "succeeded"}
    assert body["type"] == "job.succeeded"
    assert set(body) == {"type", "timestamp", "data"}
    delivery = services.outbox.delivery(job_id)
    assert (delivery.status, delivery.attempts, delivery.error) == ("delivered", 1, None)
    assert deliver(services) == 0
    assert services.outbox.job_ids() == []


def test_a_job_that_has_not_ended_is_not_told_of(services: Services, receiver: Receiver) -> None:
    services.outbox.add("job-1")
    request = GenerateRequest(model_id="model-1", n_stays=2, webhook=Webhook(url=receiver.url))
    add_job(services.store, "job-1", request)
    assert deliver(services) == 0
    services.jobs.transition("job-1", lambda job: job.model_copy(update={"status": "cancelled"}))
    assert deliver(services) == 1
    assert json.loads(receiver.got[0].body)["data"]["status"] == "cancelled"


@pytest.mark.parametrize("status", [500, 503, 404, 302, 307])
def test_what_fails_is_tried_again_later_under_the_same_id(services: Services, receiver: Receiver, status: int) -> None:
    ended_job(services, receiver.url)
    receiver.answers.append(status)
    assert deliver(services) == 1
    delivery = services.outbox.delivery("job-1")
    assert (delivery.status, delivery.attempts, delivery.error) == ("retrying", 1, f"answered {status}")
    assert delivery.next_attempt_at is not None
    assert delivery.last_attempt_at is not None
    waits = (delivery.next_attempt_at - delivery.last_attempt_at).total_seconds()
    assert waits == pytest.approx(DELAYS_SECONDS[0], abs=1)
    assert deliver(services) == 0  # not yet
    hurry(services)
    assert deliver(services) == 1
    assert services.outbox.delivery("job-1").status == "delivered"
    assert [received.path for received in receiver.got] == ["/hook", "/hook"]  # no redirect is followed
    assert len({received.headers["webhook-id"] for received in receiver.got}) == 1


def test_in_the_end_it_is_given_up(services: Services, receiver: Receiver) -> None:
    ended_job(services, receiver.url)
    receiver.answers.extend([500] * 20)
    attempts = 0
    while services.outbox.job_ids():
        attempts += deliver(services)
        if services.outbox.delivery("job-1").status == "retrying":
            hurry(services)
    assert attempts == len(DELAYS_SECONDS) + 1 == len(receiver.got)
    delivery = services.outbox.delivery("job-1")
    assert (delivery.status, delivery.next_attempt_at, delivery.error) == ("failed", None, "answered 500")


def test_a_receiver_that_wants_no_more_is_heeded(services: Services, receiver: Receiver) -> None:
    ended_job(services, receiver.url)
    receiver.answers.append(410)
    deliver(services)
    assert services.outbox.delivery("job-1").status == "failed"


def test_a_receiver_that_is_not_there_or_does_not_answer(
    services: Services, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.webhooks._objection", lambda _url, _services: None)
    monkeypatch.setattr("service.api.webhooks.TIMEOUT_SECONDS", 0.2)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # accepts, and says nothing
        ended_job(services, f"http://127.0.0.1:{silent.server_port}/", "job-1")
        ended_job(services, "http://127.0.0.1:1/", "job-2")
        ended_job(services, receiver.url, "job-3")
        assert deliver(services) == 3
    errors = {job_id: services.outbox.delivery(job_id).error for job_id in ("job-1", "job-2", "job-3")}
    assert errors["job-1"] in ("no answer (ReadTimeout)", "no answer (TimeoutError)")
    assert errors["job-2"] == "no answer (ConnectError)"
    assert errors["job-3"] is None


def test_a_host_that_is_allowed_no_more_gets_nothing(services: Services, receiver: Receiver) -> None:
    ended_job(services, "http://127.0.0.1:1/hook")
    assert deliver(services) == 1
    delivery = services.outbox.delivery("job-1")
    assert delivery.status == "failed"
    assert "CDMT_WEBHOOK_HOSTS" in (delivery.error or "")
    assert receiver.got == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://other.example.org/", "CDMT_WEBHOOK_HOSTS"),
        ("https://hooks.example.org.evil.org/", "CDMT_WEBHOOK_HOSTS"),
        ("https://hooks.example.org:22/", "CDMT_WEBHOOK_HOSTS"),
        ("https://127.0.0.1:1/", "CDMT_WEBHOOK_HOSTS"),
        ("https://2130706433/", "CDMT_WEBHOOK_HOSTS"),
        ("https://0x7f.1/", "CDMT_WEBHOOK_HOSTS"),
        ("https://[::ffff:127.0.0.1]/", "CDMT_WEBHOOK_HOSTS"),
        ("https://hooks.example.org./", "CDMT_WEBHOOK_HOSTS"),
        ("https://hooks.example.org%2eevil.org/", "CDMT_WEBHOOK_HOSTS"),
        ("https://hooks.example.org:0/", "CDMT_WEBHOOK_HOSTS"),
        ("https://169.254.169.254/latest/meta-data", "CDMT_WEBHOOK_HOSTS"),
        ("http://hooks.example.org/", "https"),
        ("ftp://hooks.example.org/", "https"),
        ("file:///etc/passwd", "https"),
        ("https://hooks.example.org@evil.org/", "without user"),
        ("https://me:secret@hooks.example.org/", "without user"),
        ("https://hooks.example.org/#part", "fragment"),
        ("https://hooks.example.org\\@evil.org/", "not a URL"),
        ("https://hooks.example.org/a b", "not a URL"),
        ("https://hooks.example.org/\n", "not a URL"),
        ("https://hooks.example.org:port/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("hooks.example.org", "https"),
        ("", "/webhook/url"),
        ("https://hooks.example.org/" + "a" * 2048, "/webhook/url"),
    ],
)
def test_addresses_that_are_refused(
    with_webhooks: Settings, store: ArtifactStore, valkey_url: str, redis: Redis, url: str, reason: str
) -> None:
    add_model(store)
    with gateway_with(with_webhooks, valkey_url) as client:
        problem = check_problem(generate(client, url), 422, reason)
    assert problem["errors"][0]["pointer"] == "/webhook/url"
    assert "secret" not in json.dumps(problem)
    assert store.ids("jobs") == []


def generate(client: httpx.Client, url: str) -> httpx.Response:
    return client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 2, "webhook": {"url": url}})


@pytest.mark.parametrize("url", ["https://hooks.example.org/a", "https://HOOKS.example.org:8443/", "http://[::1]:9/"])
def test_addresses_that_are_taken(
    with_webhooks: Settings, store: ArtifactStore, valkey_url: str, redis: Redis, url: str
) -> None:
    add_model(store)
    with gateway_with(with_webhooks, valkey_url) as client:
        assert generate(client, url).status_code == 202


def test_by_default_there_are_no_webhooks(client: httpx.Client, store: ArtifactStore) -> None:
    add_model(store)
    check_problem(generate(client, "https://example.org/"), 422, "CDMT_WEBHOOK_HOSTS")
    job = client.post("/jobs/generate", json={"model_id": "model-1", "n_stays": 2}).json()
    assert job["webhook"] is None


def test_every_kind_of_job_can_have_one_and_shows_how_it_fares(
    with_webhooks: Settings, receiver: Receiver, store: ArtifactStore, valkey_url: str, redis: Redis
) -> None:
    add_model(store)
    hook = {"webhook": {"url": receiver.url}}
    receiver.answers.append(500)
    with gateway_with(with_webhooks, valkey_url) as client:
        dataset_id = client.post("/datasets", files={"file": ("t", parquet(table()))}).json()["id"]
        form = {"dataset_id": dataset_id, "webhook": receiver.url}
        jobs: list[dict[str, Any]] = [
            generate(client, receiver.url).json(),
            client.post("/jobs/train", json={"dataset_id": dataset_id, "name": "a", **hook}).json(),
            client.post("/jobs/evaluate", files={"file": ("t", parquet(table()))}, data=form).json(),
        ]
        assert [job["webhook"] for job in jobs] == [Delivery().model_dump()] * 3
        for job in jobs:
            client.post(f"/jobs/{job['id']}/cancel")
    with gateway_with(with_webhooks, valkey_url, seconds=0.1) as client:  # they ended before it came back
        wait_until(lambda: len(receiver.got) == 3)
        wait_until(lambda: len(told_of(client, "delivered")) == 2)
        (failed,) = told_of(client, "retrying")
    assert failed["webhook"]["error"] == "answered 500"
    assert {json.loads(received.body)["data"]["kind"] for received in receiver.got} == {"generate", "train", "evaluate"}


def told_of(client: httpx.Client, status: str) -> list[dict[str, Any]]:
    return [job for job in client.get("/jobs").json()["items"] if job["webhook"]["status"] == status]
