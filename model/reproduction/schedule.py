"""All the trainings and runs that are still to be done, some at a time: trainings before the runs that need them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from model.reproduction.process import Kind, work
from model.reproduction.records import read_run, read_training, write_record
from model.reproduction.runs import Job
from model.training import Progress

Notice = Callable[[str], None]
SECONDS_TO_END = 30.0


@dataclass(frozen=True)
class Task:
    """A training that runs wait for (its job stands for all of them), or a run."""

    kind: Kind
    job: Job

    @property
    def title(self) -> str:
        """In a reader's words."""
        verb = "training for" if self.kind == "train" else "figures of"
        return f"{verb} {self.job.arm.key}, seed {self.job.seed}"


@dataclass
class Child:
    """A task at work in a process."""

    task: Task
    process: SpawnProcess
    percent: int = 0
    reason: str | None = None


@dataclass
class Schedule:
    """What is to be done, what is being done, and how much is done."""

    waiting: list[Task]
    total: int
    blocked: dict[Path, list[Task]] = field(default_factory=dict)
    children: dict[Connection, Child] = field(default_factory=dict)
    done: int = 0

    @property
    def percent(self) -> int:
        """Per cent of a task, summed over tasks."""
        return 100 * self.done + sum(child.percent for child in self.children.values())


def perform(jobs: Sequence[Job], *, processes: int, progress: Progress, notice: Notice) -> None:
    """Do all jobs that have no good record yet, in processes of one thread each. One that fails leaves a record of it.

    When this process is interrupted, the others are asked to end, keep what they have reached, and it is raised again.
    """
    schedule = plan_tasks(jobs)
    try:
        while schedule.waiting or schedule.children:
            while schedule.waiting and len(schedule.children) < processes:
                _start(schedule, schedule.waiting.pop(0))
            _listen(schedule, notice)
            progress("trainings and runs", schedule.percent, 100 * schedule.total)
    finally:
        _end(schedule)


def plan_tasks(jobs: Sequence[Job]) -> Schedule:
    """Trainings that are not finished, each once and in the jobs' order; runs wait for theirs, or come at once."""
    todo = [job for job in jobs if not is_done(job)]
    ready: list[Task] = []
    trainings: dict[Path, Task] = {}
    blocked: dict[Path, list[Task]] = {}
    for job in todo:
        folder = job.training_folder
        if read_training(folder).finished:
            ready.append(Task("run", job))
        else:
            trainings.setdefault(folder, Task("train", job))
            blocked.setdefault(folder, []).append(Task("run", job))
    tasks = [*ready, *trainings.values()]
    return Schedule(tasks, total=len(todo) + len(trainings), blocked=blocked)


def is_done(job: Job) -> bool:
    """Whether the run has figures; one that failed is tried again."""
    record = read_run(job.path)
    return record is not None and record.status == "ok"


def _start(schedule: Schedule, task: Task) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(task.kind, task.job, theirs, os.getpid()), daemon=True)
    process.start()
    theirs.close()  # so that its end is seen when the process ends, however it does
    schedule.children[ours] = Child(task, process)


def _listen(schedule: Schedule, notice: Notice) -> None:
    """Wait until some process tells something, and take note of it."""
    for connection in wait(list(schedule.children)):
        assert isinstance(connection, Connection)
        child = schedule.children[connection]
        try:
            told = connection.recv()
        except EOFError:
            del schedule.children[connection]
            connection.close()
            _finish(schedule, child, notice)
        else:
            if isinstance(told, int):
                child.percent = told
            else:
                child.reason = str(told)


def _finish(schedule: Schedule, child: Child, notice: Notice) -> None:
    child.process.join()
    schedule.done += 1
    reason = child.reason or _death(child.process.exitcode)
    task = child.task
    dependants = schedule.blocked.pop(task.job.training_folder, []) if task.kind == "train" else []
    notice(f"{task.title}: {reason or 'done'}")
    if reason is None:
        schedule.waiting[:0] = dependants  # their figures are of use before the next training is
        return
    schedule.done += len(dependants)
    what = "its training failed: " if task.kind == "train" else ""
    for one in dependants or [task]:
        write_record(one.job.path, one.job.record(reason=f"{what}{reason}"))


def _death(exitcode: int | None) -> str | None:
    if not exitcode:
        return None
    if exitcode < 0:
        return f"the process was ended by {signal.Signals(-exitcode).name}; perhaps the memory did not suffice"
    return f"the process ended with status {exitcode}"


def _end(schedule: Schedule) -> None:
    """Ask those at work to end; whoever does not is made to."""
    for child in schedule.children.values():
        child.process.terminate()
    for connection, child in schedule.children.items():
        child.process.join(SECONDS_TO_END)
        child.process.kill()
        child.process.join()
        connection.close()
    schedule.children.clear()
