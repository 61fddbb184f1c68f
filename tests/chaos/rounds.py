"""One round: jobs are submitted, something is done to the stack, and then everything must be as promised."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

from service.contracts.jobs import TERMINAL, JobState
from tests.chaos.client import Client, Seen
from tests.chaos.faults import FAULTS
from tests.chaos.furniture import FREE, JUDGED
from tests.chaos.invariants import Case, check_remains, check_succeeded, disorder, leftovers
from tests.worker.conftest import DATASET_ID
from tests.worker.tables import FAST_SAMPLER, TINY_NETWORK, TINY_TRAINING

END_SECONDS = 300.0
TRAINING = {**TINY_TRAINING.model_dump(), "max_steps": 400}
RATIOS = {"death": {"0": 0.7, "1": 0.3}}


def generation(model_id: str, n_stays: int, **more: Any) -> dict[str, Any]:
    """The body of a generate job."""
    sampler = FAST_SAMPLER.model_dump()
    return {"model_id": model_id, "n_stays": n_stays, "sampler": sampler, "evaluate": False, **more}


CASES: dict[str, Case] = {
    "small": Case("/jobs/generate", generation(FREE, 50, label_ratios=RATIOS), {"death": {"0": 35, "1": 15}}),
    "long": Case("/jobs/generate", generation(FREE, 8000, label_ratios=RATIOS), {"death": {"0": 5600, "1": 2400}}),
    "judged": Case("/jobs/generate", generation(JUDGED, 60, label_ratios=RATIOS), {"death": {"0": 42, "1": 18}}),
    "poison": Case("/jobs/generate", generation(FREE, 200_000), None),
    "doomed": Case("/jobs/generate", generation(FREE, 400_000), None),
    "training": Case(
        "/jobs/train",
        {"dataset_id": DATASET_ID, "name": "t", "training": TRAINING, "network": TINY_NETWORK.model_dump()},
        None,
    ),
}
MAY_FAIL: dict[str, dict[str, frozenset[str]]] = {
    "disk-full": {"": frozenset({"disk-full", "no-outcome"})},
    "poison": {"poison": frozenset({"worker-lost"})},
    "checkpoint": {"training": frozenset({"invalid-model"})},
}
"""Fault -> name of the job ("" is any) -> the errors with which it may fail. All others must succeed."""


class Round:
    """The scene of a fault: the stack, a client, and the jobs by name."""

    def __init__(self, fault: str, seed: int, *, client: Client, truth: dict[str, str]) -> None:
        self.fault, self.client, self.stack = fault, client, client.stack
        self.rng = Random(f"{fault} {seed}")
        self.truth = truth
        self.jobs: dict[str, str] = {}

    def submit(self, name: str) -> str:
        """Send a job of this name, however often it takes; its id."""
        case = CASES[name]
        if name == "training":
            self.learn(name)
        job_id = self.client.submit(case.path, case.body)
        self.jobs[f"{name}-{len(self.jobs)}"] = job_id
        return job_id

    def end_of(self, job_id: str) -> JobState | None:
        """The state in which the job has ended, by its record; None if it has not."""
        status = self.stack.jobs.read(job_id).status
        return status if status in TERMINAL else None

    def learn(self, name: str) -> None:
        """Find out, once and undisturbed, what the bytes of a job are."""
        if name not in self.truth:
            job_id = self.client.submit(CASES[name].path, CASES[name].body)
            self._await({name: job_id})
            self.truth[name] = check_succeeded(self.stack, job_id, CASES[name])
            self._delete([job_id])

    def run(self) -> None:
        """Submit, disturb, wait, look; AssertionError where a promise was broken."""
        try:
            self._disturb()
            self.check()
        except AssertionError:
            with suppress(AssertionError):  # as much as possible, for the sake of the next round
                self._delete(list(self.jobs.values()))
            raise
        self._delete(list(self.jobs.values()))
        self.stack.wait(lambda: not check_remains(self.stack), seconds=90, told=lambda: str(check_remains(self.stack)))

    def _disturb(self) -> None:
        for name in () if self.fault == "slow-redis" else ("long", "small", "judged", "doomed", "long"):
            self.submit(name)
        FAULTS[self.fault](self)
        self.stack.pause(self.rng.uniform(0, 1))
        self.cancel()
        self.submit("small")
        self._await(self.jobs)
        self.stack.wait_until_ready()

    def check(self) -> None:
        """Every invariant, now that all jobs have ended."""
        self.stack.wait(self._client_knows, seconds=90, told=lambda: "the client has not seen all ends")
        for name, job_id in self.jobs.items():
            self._check_end(name.partition("-")[0], job_id)
        self.stack.wait(lambda: not disorder(self.stack), seconds=90, told=lambda: disorder(self.stack))
        self.stack.wait(lambda: not leftovers(self.stack), seconds=90, told=lambda: str(leftovers(self.stack)))
        assert not self.client.violations, "\n".join(self.client.violations)

    def _check_end(self, name: str, job_id: str) -> None:
        record = self.stack.jobs.read(job_id)
        if record.status == "succeeded":
            sha256 = check_succeeded(self.stack, job_id, CASES[name])
            assert sha256 == self.truth.get(name, sha256), f"{name} {job_id} has other bytes than without faults"
        elif record.status == "failed":
            errors = MAY_FAIL.get(self.fault, {})
            slug = record.error.type.rpartition(":")[2] if record.error else None
            assert slug in errors.get(name, errors.get("", frozenset())), f"{name} {job_id}: {record.error}"
        else:
            assert name == "doomed", f"{name} {job_id} is {record.status}"

    def cancel(self) -> None:
        """Ask for the end of the job that shall be cancelled, until the answer says that it was heard."""
        for name, job_id in self.jobs.items():
            if name.startswith("doomed"):
                self.stack.wait(partial(self._asked_to_end, job_id), seconds=60)

    def _asked_to_end(self, job_id: str) -> bool:
        answer = self.client.ask("POST", f"/jobs/{job_id}/cancel")
        return answer is not None and answer.status_code in (200, 202, 409)

    def _client_knows(self) -> bool:
        return all(self.client.seen[job_id].final for job_id in self.jobs.values())

    def _await(self, jobs: dict[str, str]) -> None:
        def left() -> dict[str, str]:
            records = {name: self.stack.jobs.read(job_id) for name, job_id in jobs.items()}
            return {
                f"{name} {record.id}": f"{record.status}/{record.stage}"
                for name, record in records.items()
                if not record.is_terminal
            }

        self.stack.wait(lambda: not left(), seconds=END_SECONDS, told=lambda: str(left()))

    def _delete(self, job_ids: list[str]) -> None:
        for job_id in job_ids:
            seen = self.client.seen.setdefault(job_id, Seen())
            seen.doomed = True
            self.stack.wait(partial(self._is_deleted, job_id), seconds=90)
            seen.gone = True
            del self.client.seen[job_id]
        for model in (self.stack.store.root / "models").iterdir():
            if model.name in job_ids:
                self.client.ask("DELETE", f"/models/{model.name}")

    def _is_deleted(self, job_id: str) -> bool:
        answer = self.client.ask("DELETE", f"/jobs/{job_id}")
        return answer is not None and answer.status_code in (204, 404)
