import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from model.data.small_cells import SHARED_BY
from model.objective import Denoising
from model.private import noise
from model.private.opening import Task
from model.private.run import PrivateFitting
from model.private.training import JOURNAL, PrivatelyTrained, open_training, train_privately
from model.spec.errors import Cancelled, CheckpointError, Interrupted, TrainingError
from model.training import CHECKPOINT
from tests.model.private.conftest import N_BLOCKS, MakeTask, made_up


def fit(
    task: Task,
    *,
    workdir: Path | None = None,
    stop_at: int | None = None,
    error: type[Exception] | None = None,
    stages: list[str] | None = None,
) -> PrivatelyTrained:
    steps: list[int] = []

    def progress(stage: str, value: int, _: int) -> None:
        steps.append(value)
        if stages is not None:
            stages.append(stage)

    def cancelled() -> bool:
        stop = stop_at is not None and len(steps) >= stop_at
        if stop and error is not None:
            raise error("the process must end")
        return stop

    return train_privately(task, workdir=workdir, progress=progress, cancelled=cancelled, checkpoint_seconds=1e9)


def test_it_ends_when_the_budget_is_spent(make_task: MakeTask) -> None:
    stages: list[str] = []
    trained = fit(make_task(), stages=stages)
    guarantee = trained.guarantee
    assert (guarantee.unit, guarantee.steps, trained.fitted.summary.steps) == ("stay", 6, 6)
    assert 0.99 * 8 < guarantee.epsilon <= guarantee.epsilon_allowed == 8
    assert (guarantee.delta, guarantee.sample_rate) == (1e-4, 0.25)
    assert stages[-1] == "training (epsilon 8 of 8 spent)"
    assert trained.fitted.summary.validation_loss is None
    assert trained.fitted.summary.history == ()
    assert all(value.isfinite().all() for value in trained.fitted.module.parameters())


def test_the_noise_has_the_deviation_of_the_plan(make_task: MakeTask, monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task()
    run = PrivateFitting(task, open_training(task), journal=None)
    nothing = {name: torch.zeros_like(value) for name, value in run.clipped.learned.items()}
    monkeypatch.setattr(run, "clipped", type(run.clipped)(run.module, task.training, max_norm=0.5))
    run._descend(nothing)
    drawn = torch.cat([value.grad.flatten() for value in run.clipped.learned.values() if value.grad is not None])
    expected = run.opening.plan.noise_multiplier * task.budget.max_grad_norm / (0.25 * 200)
    assert len(drawn) == sum(value.numel() for value in run.clipped.learned.values())
    assert float(drawn.std()) == pytest.approx(expected, rel=5 / (2 * len(drawn)) ** 0.5)
    assert abs(float(drawn.mean())) < 5 * expected / len(drawn) ** 0.5


def test_the_same_seed_does_not_give_the_same_model(make_task: MakeTask) -> None:
    first, second = (dict(fit(make_task()).fitted.module.named_parameters()) for _ in range(2))
    assert not all(torch.equal(value, second[name]) for name, value in first.items())


def test_steps_that_are_done_again_are_spent_twice(make_task: MakeTask, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        fit(make_task(), workdir=tmp_path, stop_at=4)  # dies without having saved
    assert (tmp_path / JOURNAL).stat().st_size == 4
    trained = fit(make_task(), workdir=tmp_path)
    assert trained.fitted.summary.steps == 2
    assert trained.guarantee.steps == 6
    assert 0.99 * 8 < trained.guarantee.epsilon <= 8


def test_a_training_that_was_interrupted_in_time_goes_on_with_what_it_released(
    make_task: MakeTask, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        fit(make_task(), workdir=tmp_path, stop_at=4, error=Interrupted)
    before = load_file(tmp_path / CHECKPOINT)
    trained = fit(make_task(), workdir=tmp_path)
    assert (trained.fitted.summary.steps, trained.guarantee.steps) == (6, 6)
    after = load_file(tmp_path / CHECKPOINT)
    for name in ("opening/plan", "opening/released"):
        assert torch.equal(before[name], after[name])
    again = fit(make_task(), workdir=tmp_path)
    assert again.guarantee == trained.guarantee
    for mine, other in zip(again.fitted.module.parameters(), trained.fitted.module.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_a_checkpoint_holds_no_state_of_a_generator(make_task: MakeTask, tmp_path: Path) -> None:
    fit(make_task(), workdir=tmp_path)
    kinds = {name.split("/")[0] for name in load_file(tmp_path / CHECKPOINT)}
    assert kinds == {"opening", "value", "average", "step", "exp_avg", "exp_avg_sq"}
    assert {path.name for path in tmp_path.iterdir()} == {CHECKPOINT, JOURNAL}


def test_what_was_spent_is_not_forgotten_with_its_checkpoint(make_task: MakeTask, tmp_path: Path) -> None:
    fit(make_task(), workdir=tmp_path)
    with pytest.raises(CheckpointError, match="another configuration"):
        fit(make_task(epsilon=9), workdir=tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"damaged")
    with pytest.raises(CheckpointError):
        fit(make_task(), workdir=tmp_path)
    (tmp_path / CHECKPOINT).unlink()
    with pytest.raises(CheckpointError, match="begin another"):
        fit(make_task(), workdir=tmp_path)


def test_patients_are_the_unit_where_they_are_known(make_task: MakeTask) -> None:
    stays = made_up(200, n_patients=60)
    assert stays.patients is not None
    guarantee = fit(make_task(stays=stays, batch_size=20)).guarantee
    assert guarantee.unit == "patient"
    assert guarantee.sample_rate == pytest.approx(20 / len(np.unique(stays.patients)))


def test_minutes_are_turned_into_steps_beforehand(make_task: MakeTask) -> None:
    trained = fit(make_task(max_minutes=0.02, max_steps=10_000_000))
    assert 1 <= trained.fitted.summary.steps < 10_000
    assert trained.guarantee.epsilon <= 8


def test_the_codec_and_the_counts_are_of_the_noisy_statistics(
    make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noise, "normal", np.ones)  # so that every number is off by the deviation
    stays = made_up(600)
    trained = fit(make_task(stays=stays))
    assert (trained.codec.state.numerical[0].low, trained.codec.state.numerical[0].high) == (0, 300)
    counts = np.zeros((2, 3))
    np.add.at(counts, tuple(stays.labels.T), 1)
    deviation = trained.guarantee.statistics_noise_multiplier * N_BLOCKS**0.5
    assert deviation > 1
    assert np.array_equal(trained.joint, np.round(counts + deviation))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"privacy": {"epsilon": 1, "delta": 0.005}}, TrainingError, "below 1 / 200"),
        ({"privacy": {"epsilon": 1e-5}}, TrainingError, "no amount of noise"),
    ],
)
def test_impossible_budgets_are_refused(
    make_task: MakeTask, changes: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        fit(make_task(**changes))


def test_the_guarantee_says_what_it_leaves_out(make_task: MakeTask) -> None:
    guarantee = fit(make_task()).guarantee
    assert guarantee.covered == ("weights.safetensors", "model.json")
    told = json.loads(guarantee.model_dump_json())
    assert any("report" in each for each in told["not_covered"])
    assert any(str(SHARED_BY) in each for each in told["not_covered"])
    assert guarantee.sentence.startswith("The model was trained with differential privacy: epsilon 8 spent of 8, ")


def test_a_network_learns_under_a_generous_budget(make_task: MakeTask) -> None:
    def loss(run: PrivateFitting) -> float:
        generator = torch.Generator().manual_seed(0)
        averaged = run.result().module
        with torch.no_grad():
            return float(Denoising(run.task.network, run.task.training).loss(averaged, run.data, generator=generator))

    task = make_task(epsilon=100, stays=made_up(600), max_steps=80, batch_size=200, learning_rate=0.01)
    run = PrivateFitting(task, open_training(task), journal=None)
    before = loss(run)
    while not run.finished:
        run.advance()
    assert loss(run) < 0.8 * before
