"""The arms that are compared: a generator with all its settings, and how its labels are asked for. One line each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from model.baselines.mask_diffusion import MaskDiffusion
from model.baselines.timediff import TimeDiff
from model.generators import Cdmt, Generator
from model.reproduction.plan import Plan
from model.reproduction.unmasked import Unmasked
from model.reproduction.windows import Window
from model.spec.config import GuidanceScale, NetworkConfig, SamplerConfig, TrainingConfig
from model.spec.presets import GENERATION, TRAINING
from model.spec.schema import Label

Labels = Literal["uncond", "comb", "bal"]
"""By the paper's names: left to the generator, drawn at the training rate, equally many of each category."""

PAPER_SAMPLER = SamplerConfig.model_validate(GENERATION["paper"]["sampler"])
PAPER_NETWORK = NetworkConfig.model_validate(TRAINING["paper"]["network"])
FREE_SCHEDULE = {"schedule_learning_rate": 1.0, "schedule_travel": 1000.0, "rho_range": (0.1, 100.0)}
PAPER_BATCH_CPU = 128
"""On a CPU there would be too few steps with the paper's."""


@dataclass(frozen=True)
class Arm:
    """One row of a table, run on the stays of a `window`. `augments`: also judged by what it adds to real stays."""

    key: str
    title: str
    generator: Generator
    labels: Labels = "comb"
    augments: bool = False
    window: Window = "given"


@dataclass(frozen=True)
class Recipes:
    """What arms are made of, within the limits of a plan and of a device; `label` is what classifiers predict."""

    plan: Plan
    gpu: bool
    label: Label

    def training(self, **changes: object) -> TrainingConfig:
        """Our training with some of its settings changed."""
        limits = {"max_minutes": self.plan.minutes, "max_steps": self.plan.steps}
        given = {name: value for name, value in limits.items() if value is not None}
        return TrainingConfig.model_validate(changes | given)

    def paper_training(self, **changes: object) -> TrainingConfig:
        """The paper's training; on a CPU with a batch that it can bear."""
        batch = {} if self.gpu else {"batch_size": PAPER_BATCH_CPU}
        return self.training(**{**TRAINING["paper"]["training"], **batch, **changes})

    @property
    def ours(self) -> Cdmt:
        """Our defaults."""
        return Cdmt(NetworkConfig(), self.training(), SamplerConfig())

    @property
    def paper(self) -> Cdmt:
        """The paper's settings."""
        return Cdmt(PAPER_NETWORK, self.paper_training(), PAPER_SAMPLER)


DEFAULT = "ours-comb"
"""The arm that the targets are about."""


def all_arms(plan: Plan, *, gpu: bool, label: Label) -> dict[str, Arm]:
    """Every arm by its key; keys are parts of file names. `label` is the first of the data."""
    recipes = Recipes(plan, gpu, label)
    kinds = (_main_arms, _baseline_arms, _schedule_arms, _ablation_arms, _long_arms)
    return {arm.key: arm for kind in kinds for arm in kind(recipes)}


def _main_arms(recipes: Recipes) -> list[Arm]:
    ours, paper = recipes.ours, recipes.paper
    return [
        Arm("paper-uncond", "ours, paper's settings, uncond", paper, "uncond"),
        Arm("paper-comb", "ours, paper's settings, CFG-comb", paper, "comb"),
        Arm("paper-bal", "ours, paper's settings, CFG-bal", paper, "bal"),
        Arm("ours-uncond", "ours, uncond", ours, "uncond", augments=True),
        Arm(DEFAULT, "ours, CFG-comb", ours, "comb", augments=True),
        Arm("ours-bal", "ours, CFG-bal", ours, "bal", augments=True),
    ]


def _baseline_arms(recipes: Recipes) -> list[Arm]:
    """Others' methods, trained as ours."""
    training = recipes.training()
    mask = MaskDiffusion(network=NetworkConfig(), training=training)
    return [
        Arm("timediff-gru", "TimeDiff, GRU", TimeDiff(training=training), "uncond"),
        Arm("timediff-trans", "TimeDiff, Transformer", TimeDiff(training=training, backbone="transformer"), "uncond"),
        Arm("mask-uncond", "mask diffusion, uncond", mask, "uncond"),
        Arm("mask-comb", "mask diffusion, CFG-comb", mask, "comb"),
        Arm("mask-bal", "mask diffusion, CFG-bal", mask, "bal"),
    ]


def _schedule_arms(recipes: Recipes) -> list[Arm]:
    fixed = replace(recipes.ours, training=recipes.training(noise_schedule="fixed"))
    paper_fixed = replace(recipes.paper, training=recipes.paper_training(noise_schedule="fixed"))
    return [
        Arm("fixed-comb", "ours, fixed schedule, CFG-comb", fixed),
        Arm("paper-fixed-uncond", "paper's settings, fixed schedule, uncond", paper_fixed, "uncond"),
    ]


def _ablation_arms(recipes: Recipes) -> list[Arm]:
    """Our defaults with one thing changed."""
    ours, training, label = recipes.ours, recipes.training, recipes.label
    rare = GuidanceScale(labels={label.name: {label.categories[-1]: 2.0}})

    def drawn(key: str, title: str, **changes: object) -> Arm:
        return Arm(key, title, replace(ours, sampler=SamplerConfig.model_validate(changes)))

    def trained(key: str, title: str, **changes: object) -> Arm:
        return Arm(key, title, replace(ours, training=training(**changes)))

    def built(key: str, title: str, **changes: object) -> Arm:
        return Arm(key, title, replace(ours, network=NetworkConfig.model_validate(changes)))

    return [
        drawn("start-zero", "start at zero", start="zero"),
        drawn("euler-50", "Euler, 50 steps", solver="euler", n_steps=50),
        drawn("2m-10", "2M, 10 steps", n_steps=10),
        drawn("2m-50", "2M, 50 steps", n_steps=50),
        drawn("churn-0.1", "fresh noise for categories, 0.1", churn=0.1),
        drawn("churn-0.3", "fresh noise for categories, 0.3", churn=0.3),
        drawn("guidance-1", "guidance 1", guidance_scale=1.0),
        drawn("guidance-2", "guidance 2", guidance_scale=2.0),
        drawn("guidance-numbers", "guidance 1.5 of numbers alone", guidance_scale=GuidanceScale(categorical=1.0)),
        drawn("guidance-rare", "guidance 2 for the last category of the label", guidance_scale=rare),
        Arm("unmasked", "values under a missing mark kept", Unmasked(ours)),
        Arm("imputed", "missing values filled in", replace(ours, missing="imputed")),
        trained("quantile", "quantile scaling", scaling="quantile"),
        trained("weight-1", "categories' loss of weight 1", categorical_weight=1.0),
        trained("times-uniform", "diffusion times evenly spread", times="uniform"),
        trained("loss-observed", "no loss at filled values", numerical_loss="observed"),
        trained("rho-free", "schedule unbounded, at the full rate", **FREE_SCHEDULE),
        trained("rho-travel", "schedule at a tenth of the rate, however far that leads", schedule_travel=1000.0),
        trained("dropout-0.1", "labels dropped at 0.1", label_dropout=0.1),
        trained("dropout-0.3", "labels dropped at 0.3", label_dropout=0.3),
        trained("rate-constant", "constant learning rate", learning_rate_schedule="constant"),
        trained("batch-512", "batch of 512", batch_size=512),
        built("hidden-128", "hidden 128", hidden_dim=128),
        built("layers-4", "4 layers", n_layers=4),
    ]


def _long_arms(recipes: Recipes) -> list[Arm]:
    """Longer stays: is the label still effective?"""
    ours = recipes.ours
    return [
        Arm("48-uncond", "48 steps: ours, uncond", ours, "uncond", window="48"),
        Arm("48-comb", "48 steps: ours, CFG-comb", ours, "comb", window="48"),
        Arm("48-bal", "48 steps: ours, CFG-bal", ours, "bal", window="48"),
        Arm("272-uncond", "272 steps: ours, uncond", ours, "uncond", window="272"),
        Arm("272-comb", "272 steps: ours, CFG-comb", ours, "comb", window="272"),
        Arm("272-bal", "272 steps: ours, CFG-bal", ours, "bal", window="272"),
    ]
