"""The tables: which arms are their rows, which figures their columns. The paper's numbers where it has the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from model.reproduction.arms import DEFAULT
from model.spec.errors import CDMTError

Name = Literal["2", "3", "4", "5", "6", "7", "ablation", "long"]


@dataclass(frozen=True)
class Column:
    """A figure, its heading and the number of its decimals."""

    figure: str
    heading: str
    digits: int = 3


@dataclass(frozen=True)
class Table:
    """`arms` by their keys. Beside them stands what real stays score, taken from the runs of `arms`.

    `plots` are the figures of which there is a plot.
    """

    name: Name
    title: str
    arms: tuple[str, ...]
    columns: tuple[Column, ...]
    text: str = ""
    plots: tuple[str, ...] = ()


UTILITY = (
    Column("tstr", "TSTR"), Column("tstr_share", "TSTR / TRTR"), Column("trts", "TRTS"),
    Column("label_rate", "label rate"),
)  # fmt: skip
FIDELITY = (
    Column("correlation_mae", "Corr MAE", 4), Column("acf_mse", "ACF MSE", 5), Column("total_variation", "TVD", 4),
    Column("transition_distance", "Trans", 4), Column("mmd", "MMD", 4),
)  # fmt: skip
DETECTION = (Column("c2st_logistic", "C2ST LR"), Column("c2st_mlp", "C2ST MLP"), Column("c2st_lstm", "C2ST LSTM"))
DETAILS = (
    Column("missing_runs", "gaps", 4), Column("tail_error", "p99.9 error"), Column("rules", "rules", 4),
)  # fmt: skip
COST = (Column("training_seconds", "training s", 0), Column("seconds_per_1000", "s / 1,000 stays", 1))
MIXTURES = (
    Column("mix_10_90", "10 % + 90 %"), Column("mix_25_75", "25 % + 75 %"), Column("mix_50_50", "50 % + 50 %"),
    Column("mix_100_100", "100 % + 100 %"), Column("mix_100_200", "100 % + 200 %"),
    Column("augmentation", "mean gain", 4),
)  # fmt: skip

PAPER = ("paper-uncond", "paper-comb", "paper-bal")
OURS = ("ours-uncond", DEFAULT, "ours-bal")
TIMEDIFF = ("timediff-gru", "timediff-trans")
MASK = ("mask-uncond", "mask-comb", "mask-bal")
MAIN = (*TIMEDIFF, *PAPER, *OURS)
ABLATION = (
    DEFAULT, "start-zero", "euler-50", "2m-10", "2m-50", "churn-0.1", "churn-0.3", "guidance-1", "guidance-2",
    "guidance-numbers", "guidance-rare", "unmasked", "imputed", "quantile", "weight-1", "times-uniform",
    "loss-observed", "fixed-comb", "rho-free", "rho-travel", "dropout-0.1", "dropout-0.3", "rate-constant", "batch-512",
    "hidden-128", "layers-4",
)  # fmt: skip
LONG = ("48-uncond", "48-comb", "48-bal", "272-uncond", "272-comb", "272-bal")

AGAINST = (
    "C2ST is against the holdout; the other distances are against the training stays, and the rows of real stays have "
    "the holdout's distance to them. CFG-bal has equally many stays of each label, so that its distances are against "
    "real stays of which equally many of each label were drawn; its TSTR is on the holdout as it is."
)

TABLES: tuple[Table, ...] = (
    Table(
        "2", "Utility: learned from synthetic, asked about real stays (TSTR)", MAIN, (*UTILITY, *COST),
        "AUC of a BiLSTM on the holdout, which learned from as many stays as are real in the row of real stays (TRTR). "
        "TRTS: the network that learned from real stays, asked about synthetic ones.",
        ("tstr",),
    ),
    Table("3", "Fidelity", MAIN, (*FIDELITY, *DETAILS), AGAINST, ("total_variation", "mmd")),
    Table(
        "4", "Detection: can a classifier tell synthetic from real stays (C2ST)?", MAIN, DETECTION,
        f"AUC; 0.5 is guessing. {AGAINST}", ("c2st_mlp", "c2st_lstm"),
    ),
    Table(
        "5", "Gaussian diffusion of embeddings against masking", (*MASK, *PAPER, *OURS),
        (*UTILITY, *FIDELITY, *DETECTION), AGAINST,
    ),
    Table(
        "6", "Learnable against fixed noise schedule",
        (DEFAULT, "fixed-comb", "paper-uncond", "paper-fixed-uncond"), (*UTILITY, *FIDELITY, *DETECTION), AGAINST,
    ),
    Table(
        "7", "Augmentation: learned from real and synthetic, asked about real stays (T(S+R)TR)", OURS, MIXTURES,
        "AUC on the holdout; x % of the real stays with y % synthetic ones. The rows of real stays are the same x % "
        "alone.",
    ),
    Table(
        "ablation", "Our defaults, and each switch changed alone", ABLATION,
        (*UTILITY, *DETECTION, *FIDELITY, *DETAILS, *COST), AGAINST,
        ("tstr", "c2st_lstm", "total_variation", "transition_distance", "mmd"),
    ),
    Table(
        "long", "Longer stays: is the label still effective?", LONG, (*UTILITY, *DETECTION, *FIDELITY, *COST), AGAINST,
    ),
)  # fmt: skip
NAMES: tuple[Name, ...] = get_args(Name)
PAPER_TABLES = tuple(name for name in NAMES if name.isdigit())


def tables_named(names: tuple[Name, ...]) -> tuple[Table, ...]:
    """The tables of these names, in their own order."""
    return tuple(table for table in TABLES if table.name in names)


def parse_names(text: str | None, *, quick: bool) -> tuple[Name, ...]:
    """`2-4,ablation` as names; None: all, or only the paper's if `quick`. CDMTError for what is no table."""
    if text is None:
        return PAPER_TABLES if quick else NAMES
    asked = [name for part in text.split(",") for name in _spelled_out(part.strip())]
    unknown = [name for name in asked if name not in NAMES]
    if unknown or not asked:
        raise CDMTError(f"no table '{', '.join(unknown)}'; there are: {', '.join(NAMES)}")
    return tuple(name for name in NAMES if name in asked)


def _spelled_out(part: str) -> list[str]:
    first, _, last = part.partition("-")
    if first in PAPER_TABLES and last in PAPER_TABLES:
        return list(PAPER_TABLES[PAPER_TABLES.index(first) : PAPER_TABLES.index(last) + 1]) or [part]
    return [part]
