"""What the weight of TimeDiff's categorical loss does: short trainings with each of several weights, one row each.

    OMP_NUM_THREADS=1 python scripts/tune_timediff.py TABLE.parquet [--weights 0.1 1 10] [--steps 500] [--hidden-dim 92]

TABLE has one row per stay and step; its schema is inferred. Both terms of the loss are those of the averaged weights on
holdout stays; with `--draw`, so many stays are drawn and compared with the training stays, as holdout stays are.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from model.baselines.timediff import TimeDiff, TrainedTimeDiff
from model.compute import Compute
from model.data.arrange import arrange
from model.data.codec import Codec
from model.data.inference import infer_schema
from model.data.readers import read_table
from model.data.split import split
from model.data.stays import Stays
from model.evaluation.aggregates import aggregate, compare
from model.evaluation.detection import c2st
from model.evaluation.space import to_table
from model.objective import Batch
from model.spec.config import TrainingConfig
from model.spec.report import MetricName

FIGURES: tuple[MetricName, ...] = ("correlation_mae", "acf_mse", "total_variation", "transition_distance")
N_DRAWS = 20


def main() -> None:
    """Read, split, and one training per weight."""
    arguments = _arguments()
    frame = read_table(arguments.table)
    schema = infer_schema(frame)
    sides = split(arrange(frame, schema).stays, holdout_fraction=0.2, seed=0)
    codec = Codec.fit(sides.train, schema)
    print(
        "| weight | L_N | L_C | " + " | ".join(FIGURES) + " | C2ST LR | C2ST LSTM | CPU s per step | CPU s per stay |"
    )
    print("|" + "---|" * 10, flush=True)
    if arguments.draw:
        holdout = sides.holdout.take(slice(0, arguments.draw))
        print(f"| real holdout | | | {_compared(holdout, sides.train, sides.holdout, codec)} | | |", flush=True)
    for weight in arguments.weights:
        print(_row(weight, sides.train, sides.holdout, codec, arguments), flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("table", type=Path)
    parser.add_argument("--weights", type=float, nargs="+", default=[0.01, 0.1, 1.0, 10.0, 200.0])
    parser.add_argument("--steps", type=int, default=500, help="of training")
    parser.add_argument("--draw", type=int, default=0, help="stays")
    parser.add_argument("--hidden-dim", type=int, default=92)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _row(weight: float, train: Stays, holdout: Stays, codec: Codec, arguments: argparse.Namespace) -> str:
    generator = TimeDiff(
        training=TrainingConfig(max_steps=arguments.steps),
        hidden_dim=arguments.hidden_dim,
        categorical_weight=weight,
    )
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        trained = generator.train(
            train,
            codec,
            seed=arguments.seed,
            compute=Compute(device="cpu"),
            workdir=Path(folder),
            progress=lambda *_: None,
            cancelled=lambda: False,
        )
    per_step = (time.process_time() - start) / arguments.steps
    numerical, categorical = _losses(trained, holdout)
    row = f"| {weight:g} | {numerical:.4f} | {categorical:.4f} |"
    if not arguments.draw:
        return f"{row} | | | | | | {per_step:.3f} | |"
    start = time.process_time()
    unconditioned = np.full((arguments.draw, len(codec.schema.labels)), -1)
    drawn = trained.sample(unconditioned, seed=0, progress=lambda *_: None, cancelled=lambda: False)
    per_stay = (time.process_time() - start) / arguments.draw
    return f"{row} {_compared(drawn, train, holdout, codec)} | {per_step:.3f} | {per_stay:.3f} |"


def _losses(trained: TrainedTimeDiff, stays: Stays) -> tuple[float, float]:
    """Both terms on stays that training has not seen, means over `N_DRAWS` noises."""
    encoded = trained.codec.encode(stays.take(slice(0, 512)))
    batch = Batch(*(torch.as_tensor(array) for array in encoded))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        losses = [
            trained.generator.objective.losses(trained.denoiser, batch, generator=generator) for _ in range(N_DRAWS)
        ]
    return float(np.mean([each.numerical for each in losses])), float(np.mean([each.categorical for each in losses]))


def _compared(stays: Stays, train: Stays, holdout: Stays, codec: Codec) -> str:
    mine, real = to_table(stays, codec), aggregate(to_table(train, codec))
    values = [f"{compare(name, aggregate(mine), real):.4f}" for name in FIGURES]
    other = to_table(holdout.take(slice(len(holdout) - len(stays), None)), codec)
    values += [f"{c2st(mine, other, discriminator=kind, seed=0).figure.value:.3f}" for kind in ("logistic", "lstm")]
    return " | ".join(values)


if __name__ == "__main__":
    main()
