from pathlib import Path

import pytest

from model.evaluation.measure import never, no_progress
from model.reproduction.arms import Arm
from model.reproduction.records import RunRecord, read_run, read_training, write_record
from model.reproduction.runs import Job, train_job
from model.reproduction.schedule import is_done, perform, plan_tasks
from model.reproduction.source import Source
from tests.model.reproduction.making import Repeating, job

FINE = Arm("fine", "fine", Repeating("shared"))
FAILS = Arm("fails", "fails", Repeating("shared", does="fails"))
BREAKS = Arm("breaks", "breaks", Repeating("shared", does="breaks"))
DIES = Arm("dies", "dies", Repeating("shared", does="dies"))


def test_a_training_is_done_once_and_before_the_runs_that_need_it(source: Source, table: Path, tmp_path: Path) -> None:
    jobs = [job(arm, table, tmp_path) for arm in (FINE, FAILS)] + [job(FINE, table, tmp_path, seed=1)]
    schedule = plan_tasks(jobs)
    assert [task.title for task in schedule.waiting] == ["training for fine, seed 0", "training for fine, seed 1"]
    assert [len(tasks) for tasks in schedule.blocked.values()] == [2, 1]
    assert schedule.total == 5


def test_what_is_done_is_not_done_again(source: Source, table: Path, tmp_path: Path) -> None:
    done, other = job(FINE, table, tmp_path), job(FAILS, table, tmp_path)
    train_job(done, source, progress=no_progress, cancelled=never)
    write_record(done.path, done.record())
    schedule = plan_tasks([done, other])
    assert [task.title for task in schedule.waiting] == ["figures of fails, seed 0"]
    assert (schedule.blocked, schedule.total) == ({}, 1)


@pytest.mark.slow
def test_one_that_fails_breaks_or_dies_is_told_and_the_others_go_on(
    source: Source, table: Path, tmp_path: Path
) -> None:
    jobs = [job(arm, table, tmp_path) for arm in (DIES, FAILS, BREAKS, FINE)]
    train_job(jobs[0], source, progress=no_progress, cancelled=never)
    told: list[str] = []
    parts: list[tuple[int, int]] = []

    def progress(_: str, value: int, most: int) -> None:
        parts.append((value, most))

    perform(jobs, processes=2, notice=told.append, progress=progress)
    dies, fails, breaks, fine = (_record(one) for one in jobs)
    assert (fine.status, fine.reason) == ("ok", None)
    assert fails.reason == "the sampler left the finite numbers"
    assert (breaks.reason or "").startswith("it broke: KeyError at making.py:")
    assert "117.25" not in (breaks.reason or "")
    assert (dies.reason or "").startswith("the process was ended by SIGKILL")
    assert parts[-1] == (400, 400)
    assert {line.partition(":")[0] for line in told} == {f"figures of {one.arm.key}, seed 0" for one in jobs}
    assert [is_done(one) for one in jobs] == [False, False, False, True]


@pytest.mark.slow
def test_runs_whose_training_fails_say_so(source: Source, table: Path, tmp_path: Path) -> None:
    one = job(FINE, table, tmp_path)
    folder = one.training_folder
    folder.mkdir(parents=True)
    (folder / "trained").mkdir()  # where the training wants to write a file
    perform([one], processes=1, notice=lambda _: None, progress=no_progress)
    assert (_record(one).reason or "").startswith("its training failed: it broke: IsADirectoryError")
    assert not read_training(folder).finished


def _record(one: Job) -> RunRecord:
    record = read_run(one.path)
    assert record is not None
    return record
