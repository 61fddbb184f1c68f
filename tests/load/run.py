"""Many clients at once: each submits jobs and polls them to their end, while others listen to events."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import psutil

from service.contracts.jobs import TERMINAL
from tests.chaos.furniture import FREE
from tests.chaos.stack import Stack
from tests.load.http import Answer, Connection

POLL_SECONDS = 1.0
BUSY_SECONDS = 1.0
SAMPLE_SECONDS = 0.5
BODY: dict[str, Any] = {
    "model_id": FREE,
    "n_stays": 1,
    "sampler": {"n_steps": 2},
    "evaluate": False,
}


@dataclass
class Tally:
    """What was asked, what was answered, and how long it took."""

    n_jobs: int
    submit: list[float] = field(default_factory=list)
    poll: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)
    n_listening: int = 0
    n_events: int = 0
    n_streams_ended: int = 0
    peak_rss: int = 0
    submitted_seconds: float = 0.0
    total_seconds: float = 0.0

    def note(self, what: str, answer: Answer) -> None:
        """Remember an answer."""
        self.statuses[f"{what} {answer.status}"] += 1
        (self.submit if what == "submit" else self.poll).append(answer.seconds)


async def bombard(stack: Stack, *, n_jobs: int, n_clients: int, n_listeners: int) -> Tally:
    """Submit `n_jobs` from `n_clients` clients as fast as they are taken, and poll each until it has ended."""
    tally = Tally(n_jobs)
    numbers = iter(range(n_jobs))
    began = time.perf_counter()
    watch = asyncio.create_task(_watch_memory(stack, tally))
    submitting = [asyncio.create_task(_submit(stack, numbers, tally)) for _ in range(n_clients)]
    listening = asyncio.create_task(_listen_to_all(stack, tally, n_listeners))
    mine = await asyncio.gather(*submitting)
    tally.submitted_seconds = time.perf_counter() - began
    await asyncio.gather(*(_follow(stack, ids, tally) for ids in mine))
    tally.total_seconds = time.perf_counter() - began
    await asyncio.wait_for(listening, 60)
    watch.cancel()
    return tally


def _connection(stack: Stack) -> Connection:
    parts = urlsplit(stack.url)
    return Connection(parts.hostname or "", parts.port or 0)


async def _submit(stack: Stack, numbers: Any, tally: Tally) -> list[str]:
    connection, mine = _connection(stack), []
    for number in numbers:
        while (answer := await connection.request("POST", "/jobs/generate", {**BODY, "seed": number})).status == 429:
            tally.statuses["submit 429"] += 1
            await asyncio.sleep(float(answer.headers.get("retry-after", BUSY_SECONDS)))
        tally.note("submit", answer)
        if answer.status == 202:
            mine.append(answer.json()["id"])
            tally.ids.append(mine[-1])
    connection.close()
    return mine


async def _follow(stack: Stack, ids: list[str], tally: Tally) -> None:
    """Poll as a client does, the oldest job first, until all have ended."""
    connection = _connection(stack)
    for job_id in ids:
        while True:
            answer = await connection.request("GET", f"/jobs/{job_id}")
            tally.note("poll", answer)
            if answer.status == 200 and (status := answer.json()["status"]) in TERMINAL:
                tally.ends[status] += 1
                break
            await asyncio.sleep(POLL_SECONDS)
    connection.close()


async def _listen_to_all(stack: Stack, tally: Tally, n_listeners: int) -> None:
    """Listeners spread over the jobs, so that some of them listen for as long as the load lasts."""
    wanted = {tally.n_jobs * (number + 1) // (n_listeners + 1) for number in range(n_listeners)}
    tasks = []
    for place in sorted(wanted):
        while len(tally.ids) <= place:
            await asyncio.sleep(0.05)
        tasks.append(asyncio.create_task(_listen(stack, tally.ids[place], tally)))
    await asyncio.gather(*tasks)


async def _listen(stack: Stack, job_id: str, tally: Tally) -> None:
    connection = _connection(stack)
    tally.n_listening += 1
    async for line in connection.events(f"/jobs/{job_id}/events"):
        tally.n_events += line.startswith("event:")
    tally.n_streams_ended += 1
    connection.close()


async def _watch_memory(stack: Stack, tally: Tally) -> None:
    gateway = psutil.Process(stack.gateway.pid)
    while True:
        tally.peak_rss = max(tally.peak_rss, gateway.memory_info().rss)
        await asyncio.sleep(SAMPLE_SECONDS)


def n_cores() -> int:
    """Cores that this process, and hence the stack, may use."""
    return len(os.sched_getaffinity(0))
