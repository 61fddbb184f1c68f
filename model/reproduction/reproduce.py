"""The whole reproduction: what is to be run, running it, and writing the tables."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from model.compute import Compute
from model.reproduction.arms import Arm, all_arms
from model.reproduction.definitions import Table
from model.reproduction.machine import this_machine
from model.reproduction.output import Provenance, ResultsFile, write_results
from model.reproduction.plan import Plan
from model.reproduction.records import RunRecord, read_run, write_record
from model.reproduction.runs import Job
from model.reproduction.schedule import Notice, perform
from model.reproduction.source import file_sha256, read_source
from model.reproduction.tables import Results
from model.reproduction.windows import window_table
from model.training import Progress


@dataclass(frozen=True)
class Places:
    """The table that is read, the folder for the results, and the one for trainings and runs."""

    data: Path
    out: Path
    work: Path


def reproduce(
    places: Places,
    tables: tuple[Table, ...],
    *,
    plan: Plan,
    compute: Compute,
    processes: int,
    command: str,
    progress: Progress,
    notice: Notice,
) -> ResultsFile:
    """Do what is not done yet, and write the tables from everything that is.

    Interrupted at any moment, the same call goes on from there. An arm that fails is told in its tables. Raises
    DataError, SchemaError, TrainingError where the data will not do.
    """
    start = time.monotonic()
    source = read_source(places.data)
    device = compute.torch_device().type
    arms = all_arms(plan, gpu=device == "cuda")
    jobs = jobs_of(tables, arms, places, plan=plan, compute=compute)
    perform(runnable(jobs), processes=processes, progress=progress, notice=notice)
    provenance = Provenance(
        command=command,
        data=places.data.name,
        data_sha256=source.sha256,
        n_training=len(source.train),
        n_holdout=len(source.holdout),
        plan=plan,
        device=device,
        processes=processes,
        machine=this_machine(),
        seconds=time.monotonic() - start,
    )
    return write_results(places.out, tables, results_of(jobs, arms, seeds=plan.seeds), provenance)


def jobs_of(
    tables: tuple[Table, ...], arms: dict[str, Arm], places: Places, *, plan: Plan, compute: Compute
) -> list[Job]:
    """Every arm of the tables with every seed; a whole seed of all arms before the next."""
    wanted = dict.fromkeys(key for table in tables for key in table.arms)
    windows = dict.fromkeys(arms[key].window for key in wanted)
    paths = {window: window_table(window, places.data) for window in windows}
    digests = {window: file_sha256(path) if path.exists() else "" for window, path in paths.items()}
    return [
        Job(arm, seed, plan, compute, places.work, paths[arm.window], digests[arm.window])
        for seed in range(plan.seeds)
        for arm in (arms[key] for key in wanted)
    ]


def runnable(jobs: list[Job]) -> list[Job]:
    """The jobs whose table is there; the others leave records that say that it is lacking."""
    for job in jobs:
        if not job.sha256:
            write_record(job.path, job.record(reason=f"there is no table {job.table.name} beside the given one"))
    return [job for job in jobs if job.sha256]


def results_of(jobs: list[Job], arms: dict[str, Arm], *, seeds: int) -> Results:
    """The records of these jobs, and of no others that may lie beside them."""
    records: dict[str, list[RunRecord]] = {}
    for job in jobs:
        record = read_run(job.path)
        if record is not None:
            records.setdefault(job.arm.key, []).append(record)
    return Results(arms, records, seeds)
