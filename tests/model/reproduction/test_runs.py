from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model.evaluation.measure import never, no_progress
from model.generators import Cdmt
from model.reproduction.arms import Arm
from model.reproduction.records import read_run, read_training
from model.reproduction.runs import Job, asked_labels, run_job, train_job
from model.reproduction.source import Source
from model.spec.config import NetworkConfig, SamplerConfig, TrainingConfig
from model.spec.errors import Interrupted
from model.synthesis import UNCONDITIONED
from model.training import CHECKPOINT
from tests.model.reproduction.making import PLAN, Repeating, job

REPEATING = Arm("repeating", "training stays again", Repeating(), "bal")
TINY = Cdmt(
    NetworkConfig(hidden_dim=16, n_layers=1, embedding_dim=4),
    TrainingConfig(max_steps=40, batch_size=32),
    SamplerConfig(n_steps=2),
)


def test_labels_are_asked_for_as_the_arm_says(source: Source) -> None:
    rate = float(source.train.labels.mean())
    comb, bal, uncond = (
        asked_labels(Arm("a", "a", Repeating(), labels), source, n_stays=80, seed=1)
        for labels in ("comb", "bal", "uncond")
    )
    assert comb.sum() == round(80 * rate)
    assert bal.sum() == 40
    assert (uncond == UNCONDITIONED).all()
    assert comb.shape == bal.shape == uncond.shape == (80, 1)


def test_a_run_leaves_its_figures_in_one_file(source: Source, table: Path, tmp_path: Path) -> None:
    one = job(REPEATING, table, tmp_path)
    record = run_job(one, source, progress=no_progress, cancelled=never)
    assert record == read_run(one.path)
    assert (record.arm, record.seed, record.quick, record.n_stays) == ("repeating", 0, True, 100)
    assert record.figures["label_rate"].value == 0.5
    assert {"tstr", "c2st_lstm", "mmd", "training_seconds", "seconds_per_1000"} <= set(record.figures)
    assert [path.suffix for path in (tmp_path / "runs").iterdir()] == [".json"]


def test_what_changes_the_figures_changes_the_file(source: Source, table: Path, tmp_path: Path) -> None:
    one = job(REPEATING, table, tmp_path)
    others: list[Job] = [
        replace(one, seed=1),
        replace(one, plan=PLAN.model_copy(update={"n_stays": 101})),
        replace(one, plan=PLAN.model_copy(update={"quick": False})),
        replace(one, arm=replace(REPEATING, labels="comb")),
        replace(one, arm=replace(REPEATING, generator=Repeating(does="fails"))),
    ]
    paths = {other.path for other in [one, *others]} | {replace(one, sha256="0" * 64).path}
    assert len(paths) == 7
    assert replace(one, arm=replace(REPEATING, title="other words")).path == one.path


def test_a_training_that_was_interrupted_goes_on_and_its_seconds_add_up(
    source: Source, table: Path, tmp_path: Path
) -> None:
    one = job(Arm("tiny", "tiny", TINY), table, tmp_path)
    folder = one.training_folder
    steps: list[int] = []

    def interrupted() -> bool:
        if len(steps) == 15:
            raise Interrupted("the process was asked to end")
        return False

    def progress(_step: str, value: int, _max: int) -> None:
        steps.append(value)

    with pytest.raises(Interrupted):
        train_job(one, source, progress=progress, cancelled=interrupted)
    first = read_training(folder)
    assert (first.finished, first.seconds > 0) == (False, True)
    train_job(one, source, progress=progress, cancelled=never)
    assert steps == list(range(1, 41))
    done = read_training(folder)
    assert done.finished
    assert done.seconds > first.seconds
    train_job(one, source, progress=progress, cancelled=never)
    assert (len(steps), read_training(folder)) == (40, done)

    (folder / CHECKPOINT).write_bytes(b"damaged")
    train_job(one, source, progress=progress, cancelled=never)
    assert len(steps) == 80


def test_arms_that_learn_the_same_share_a_folder(source: Source, table: Path, tmp_path: Path) -> None:
    drawn_otherwise = replace(TINY, sampler=SamplerConfig(n_steps=3))
    trained_otherwise = replace(TINY, training=TrainingConfig(max_steps=41, batch_size=32))
    a, b, c = (
        job(Arm(key, key, generator), table, tmp_path).training_folder
        for key, generator in {"a": TINY, "b": drawn_otherwise, "c": trained_otherwise}.items()
    )
    assert a == b != c
    assert job(Arm("a", "a", TINY), table, tmp_path, seed=1).training_folder != a


def test_the_file_of_a_run_that_was_cut_off_is_no_run(source: Source, table: Path, tmp_path: Path) -> None:
    path = job(REPEATING, table, tmp_path).path
    path.parent.mkdir()
    path.write_text('{"fingerprint": "a", "arm": "rep')
    assert read_run(path) is None
    assert np.isclose(read_training(tmp_path / "nowhere").seconds, 0)
