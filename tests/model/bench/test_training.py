from __future__ import annotations

from model.bench.plan import Plan
from model.bench.training import our_training, training_contestants
from model.data.codec import Codec
from model.data.stays import Stays
from tests.model.bench.learning import check_it_learns
from tests.model.conftest import CPU


def test_our_loop_learns_and_every_step_is_one_batch(toy_stays: Stays, toy_codec: Codec) -> None:
    check_it_learns(our_training(toy_stays, toy_codec, CPU).advance)


def test_both_loops_have_the_batch_size_of_the_device(toy_stays: Stays, toy_codec: Codec) -> None:
    found = training_contestants(toy_stays, toy_codec, Plan(training_steps=7), CPU)
    assert [(each.key, each.title, each.amount) for each in found] == [
        ("training", "training, float32, 128 stays a step", 7),
        ("training_naive", "training, naive loop, 128 stays a step", 7),
    ]
