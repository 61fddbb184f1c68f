"""A client that goes on asking whatever happens, and puts down every answer that is not documented."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from service.contracts.ids import new_id
from service.contracts.jobs import TERMINAL
from tests.chaos.stack import Stack

POLL_SECONDS = 0.05
PATIENCE = 60.0
STARTING_SECONDS = 30.0
"""A gateway that began so long ago may still refuse connections."""
AFTER: dict[str, frozenset[str]] = {
    "queued": frozenset({"queued", "running", "cancelling", *TERMINAL}),
    "running": frozenset({"queued", "running", "cancelling", *TERMINAL}),
    "cancelling": frozenset({"cancelling", *TERMINAL}),
}


@dataclass
class Seen:
    """What polls of one job have shown."""

    n_polls: int = 0
    states: list[str] = field(default_factory=list)
    final: dict[str, Any] | None = None
    doomed: bool = False
    """Its deletion has been asked for: it may be gone."""
    gone: bool = False
    """Its deletion has been answered: it must be."""


class Client:
    """Submits, cancels and deletes as its caller says; meanwhile a thread polls every job, also those that ended."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.violations: list[str] = []
        self.seen: dict[str, Seen] = {}
        self.n_unclear = 0
        """Submissions without an answer. Sent again with the same Idempotency-Key."""
        self._http = httpx.Client(base_url=stack.url, timeout=PATIENCE, trust_env=False)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def submit(self, path: str, body: dict[str, Any], *, seconds: float = 60) -> str:
        """The id of the accepted job. Tries again, as one should, while the answer is 503, 507 or none."""
        headers = {"Idempotency-Key": new_id()}
        deadline = time.monotonic() + seconds
        while True:
            answer = self.ask("POST", path, json=body, headers=headers)
            if answer is not None and answer.status_code == 202:
                job_id = str(answer.json()["id"])
                self.seen[job_id] = Seen()
                return job_id
            self.n_unclear += answer is None
            assert time.monotonic() < deadline, f"{path} is not accepted: {answer and answer.text}"
            self.stack.pause(0.1)

    def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response | None:
        """An answer, looked at; None where there is none because the gateway is down."""
        began = time.monotonic()
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.TransportError as error:
            self._check_absence(f"{method} {path}", error, began)
            return None
        self._check(f"{method} {path}", answer)
        return answer

    def close(self) -> None:
        """Stop polling."""
        self._stop.set()
        self._thread.join(PATIENCE)
        self._http.close()

    def _watch(self) -> None:
        with httpx.Client(base_url=self.stack.url, timeout=PATIENCE, trust_env=False) as http:
            while not self._stop.wait(POLL_SECONDS):
                for job_id, seen in list(self.seen.items()):
                    if not self._stop.is_set():
                        self._poll(http, job_id, seen)

    def _poll(self, http: httpx.Client, job_id: str, seen: Seen) -> None:
        was_gone, began = seen.gone, time.monotonic()
        try:
            answer = http.get(f"/jobs/{job_id}")
        except httpx.TransportError as error:
            self._check_absence(f"GET /jobs/{job_id}", error, began)
            return
        if answer.status_code == 404 and seen.doomed:
            return
        self._check(f"GET /jobs/{job_id}", answer)
        if answer.status_code == 200:
            seen.n_polls += 1
            self._compare(seen, answer.json())
            if was_gone:
                self.violations.append(f"{job_id} is still there after its deletion")
        elif answer.status_code != 503:
            self.violations.append(f"poll of {job_id} answered {answer.status_code}: {answer.text}")

    def _compare(self, seen: Seen, job: dict[str, Any]) -> None:
        status = job["status"]
        if seen.final is not None and job != seen.final:
            changed = [name for name in job if job[name] != seen.final.get(name)]
            self.violations.append(f"{job['id']} has ended, and yet changed: {changed}")
        elif seen.states and seen.final is None and status not in AFTER[seen.states[-1]]:
            self.violations.append(f"{job['id']} went from {seen.states[-1]} to {status}")
        if not seen.states or seen.states[-1] != status:
            seen.states.append(status)
        if status in TERMINAL:
            seen.final = job

    def _check(self, what: str, answer: httpx.Response) -> None:
        """200, 202, 204; problem documents of the kinds that the API names; a 503 says when to come again."""
        if answer.is_success:
            return
        is_problem = answer.headers.get("Content-Type", "").startswith("application/problem+json")
        if not is_problem or answer.status_code not in (404, 409, 429, 503, 507):
            self.violations.append(f"{what} answered {answer.status_code}: {answer.text[:300]}")
        elif answer.status_code in (429, 503) and "Retry-After" not in answer.headers:
            self.violations.append(f"{what} answered {answer.status_code} without Retry-After")

    def _check_absence(self, what: str, error: httpx.TransportError, began: float) -> None:
        time.sleep(0.3)  # until a death has been noticed
        gateway = self.stack.gateway
        excused = not gateway.is_alive or max(gateway.up_since, gateway.down_since) > began - STARTING_SECONDS
        if not excused or isinstance(error, httpx.ReadTimeout):
            self.violations.append(f"{what} had no answer: {type(error).__name__}")
