from pathlib import Path

from model.reproduction.arms import all_arms
from model.reproduction.definitions import tables_named
from model.reproduction.plan import Plan
from model.reproduction.records import read_run
from model.reproduction.reproduce import Places, jobs_of, results_of, runnable
from tests.model.reproduction.making import CPU

PLAN = Plan(seeds=2)


def test_every_arm_of_the_tables_once_a_seed_and_whole_seeds_first(table: Path, tmp_path: Path) -> None:
    arms = all_arms(PLAN, gpu=False)
    jobs = jobs_of(tables_named(("2", "7")), arms, Places(table, tmp_path, tmp_path), plan=PLAN, compute=CPU)
    keys = [(job.seed, job.arm.key) for job in jobs]
    assert len(keys) == len(set(keys)) == 12
    assert [seed for seed, _ in keys] == [0] * 6 + [1] * 6


def test_an_arm_whose_table_is_lacking_has_failed_and_says_so(table: Path, tmp_path: Path) -> None:
    arms = all_arms(PLAN, gpu=False)
    jobs = jobs_of(tables_named(("long",)), arms, Places(table, tmp_path, tmp_path), plan=PLAN, compute=CPU)
    assert runnable(jobs) == []
    record = read_run(jobs[0].path)
    assert record is not None
    assert record.reason == "there is no table stays_0_47.parquet beside the given one"
    assert [len(records) for records in results_of(jobs, arms, seeds=2).records.values()] == [2, 2, 2]
