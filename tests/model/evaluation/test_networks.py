import time

import numpy as np
import pytest
import torch

from model.evaluation import networks
from model.evaluation.definitions import CLASSIFIERS
from model.evaluation.networks import Budget, Mlp, classifier, fit, positions, probabilities
from model.spec.errors import Cancelled
from model.spec.report import Classifier

RNG = np.random.default_rng(0)
BUDGET = Budget(max_epochs=15, patience=15, batch_size=64, learning_rate=1e-2, weight_decay=0.0)


def stays(n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Noise, in which the classes differ in the order of two bumps: a mean over time does not show it."""
    targets = np.arange(n) % 2
    inputs = RNG.normal(0, 0.3, (n, 8, 2)).astype(np.float32)
    inputs[targets == 0, 1, 0] += 4
    inputs[targets == 0, 6, 1] += 4
    inputs[targets == 1, 6, 0] += 4
    inputs[targets == 1, 1, 1] += 4
    return inputs, targets.astype(np.int64)


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_every_classifier_learns_what_only_the_order_of_events_tells(kind: Classifier) -> None:
    inputs, targets = stays()
    torch.manual_seed(0)
    network = classifier(kind, n_inputs=2, n_classes=2)
    fit(network, inputs, targets, budget=BUDGET, seed=0, tick=lambda _: None)
    others, truth = stays()
    found = probabilities(network, others)
    assert (found.argmax(axis=1) == truth).mean() > 0.95
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("n_steps", [1, 2, 7])
def test_every_classifier_takes_stays_of_any_length(kind: Classifier, n_steps: int) -> None:
    network = classifier(kind, n_inputs=3, n_classes=4)
    assert probabilities(network, np.zeros((5, n_steps, 3), dtype=np.float32)).shape == (5, 4)


def test_positions_are_sines_of_the_step() -> None:
    found = positions(3, 4).numpy()
    np.testing.assert_allclose(found[:, 0], np.sin([0, 1, 2]), atol=1e-6)
    np.testing.assert_allclose(found[:, 3], np.cos(np.array([0, 1, 2]) / 100), atol=1e-6)


def test_the_same_seed_gives_the_same_network() -> None:
    inputs, targets = stays(60)
    found = []
    for _ in range(2):
        torch.manual_seed(4)
        network = classifier("transformer", n_inputs=2, n_classes=2)
        fit(network, inputs, targets, budget=BUDGET, seed=4, tick=lambda _: None)
        found.append(probabilities(network, inputs))
    np.testing.assert_array_equal(found[0], found[1])


def test_a_cancel_is_obeyed_in_the_middle_of_a_long_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Mlp):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            time.sleep(0.02)
            return super().forward(inputs)

    monkeypatch.setattr(networks, "TELL_EVERY", 0.03)
    told: list[float] = []

    def tick(fraction: float) -> None:
        told.append(fraction)
        if fraction > 0:
            raise Cancelled("stop")

    inputs = np.zeros((400, 3), dtype=np.float32)
    budget = Budget(max_epochs=2, patience=2, batch_size=4, learning_rate=1e-3, weight_decay=0.0)
    with pytest.raises(Cancelled):
        fit(Slow(3, 2), inputs, np.zeros(400, dtype=np.int64), budget=budget, seed=0, tick=tick)
    assert 0 < told[-1] < 0.5  # within the first of two epochs


def test_of_few_stays_an_epoch_has_several_passes() -> None:
    told: list[float] = []
    inputs, targets = stays(20)
    budget = Budget(max_epochs=3, patience=9, batch_size=64, learning_rate=1e-2, weight_decay=0.0, steps=5)
    fit(Mlp(16, 2), inputs.reshape(20, -1), targets, budget=budget, seed=0, tick=told.append)
    assert told == pytest.approx([0, 1 / 3, 2 / 3])
    assert len(networks._batches(torch.arange(17), budget)) == 5
