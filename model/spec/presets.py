"""Named settings: what a request leaves open is taken from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Preset = Literal["paper"]

# The paper trains network, embeddings and schedules with one rate and names no bounds of the exponents; without any,
# an exponent at or below 0 would have no meaning.
TRAINING: dict[Preset, dict[str, dict[str, object]]] = {
    "paper": {
        "training": {
            "max_steps": 48_000,
            "batch_size": 4096,
            "learning_rate": 1e-3,
            "learning_rate_schedule": "constant",
            "ema_decay": 0.997,
            "label_dropout": 0.2,
            "noise_schedule": "learnable",
            "schedule_learning_rate": 1.0,
            "schedule_travel": 1000.0,
            "rho_range": (0.1, 100.0),
            "numerical_loss": "all",
            "categorical_weight": 1.0,
            "times": "uniform",
            "scaling": "zscore",
            "privacy": None,
        },
        "network": {"hidden_dim": 64, "n_layers": 3, "embedding_dim": 16},
    }
}
GENERATION: dict[Preset, dict[str, object]] = {
    "paper": {
        "sampler": {"solver": "euler", "n_steps": 50, "guidance_scale": 1.5, "start": "zero", "churn": 0.0},
        "missing": "imputed",
    }
}


def filled(given: Mapping[str, object], preset: Mapping[str, object]) -> dict[str, object]:
    """`given`, and under it what `preset` says; objects within are merged field by field."""
    merged = {**preset, **given}
    for name, below in preset.items():
        above = given.get(name)
        if isinstance(below, Mapping) and isinstance(above, Mapping):
            merged[name] = filled(above, below)
    return merged
