"""What a large cohort takes of memory: `python -m tests.load.memory --stays 50000 200000 1000000`.

A small network with few solver steps stands in for a trained model, since memory does not depend on them. All else is
the worker's own way: plan, chunks, Parquet, checksum, and then the evaluation and the download as CSV. Each size gets a
fresh process, which has drawn a small cohort before. Peaks are the kernel's (VmHWM), beyond that process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from model.data.arrange import arrange
from model.data.split import Split, split
from model.spec.config import SamplerConfig
from model.spec.schema import CategoricalFeature, Label, NumericalFeature, Schema
from service.contracts.records import COHORT
from service.contracts.requests import GenerateRequest

STEPS, VITALS = 25, 7
WARM_UP_STAYS = 20_000
SCHEMA = Schema(
    stay_id="stay",
    time="hour",
    sequence_length=STEPS,
    features=(
        *(NumericalFeature(name=f"vital_{k}") for k in range(VITALS)),
        CategoricalFeature(name="ventilated", categories=("no", "yes")),
    ),
    labels=(Label(name="death", categories=("0", "1")),),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line of figures per size."""
    parser = argparse.ArgumentParser(prog="python -m tests.load.memory", description=__doc__)
    parser.add_argument("--stays", type=int, nargs="+", default=[50_000, 200_000, 1_000_000])
    parser.add_argument(
        "--evaluate", action="store_true", help="with the whole report, and not the privacy tests alone"
    )
    wanted = parser.parse_args(argv)
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        with spawn.Pool(1) as pool:
            pool.apply(train_stand_in, (Path(folder) / "model",))
        for n_stays in wanted.stays:
            with spawn.Pool(1) as pool:
                found = pool.apply(measure, (Path(folder), n_stays), {"evaluate": wanted.evaluate})
            sys.stdout.write(json.dumps({"platform": platform.platform(), **found}) + "\n")
            sys.stdout.flush()
    return 0


def made_up_stays(n_stays: int = 200) -> pd.DataFrame:
    """A table of SCHEMA; every fourth stay died."""
    rng, n = np.random.default_rng(0), n_stays * STEPS
    vitals = {f"vital_{k}": np.float32(80) + rng.normal(size=n).astype(np.float32) for k in range(VITALS)}
    return pd.DataFrame(
        {
            "stay": np.repeat(np.arange(n_stays), STEPS),
            "hour": np.tile(np.arange(STEPS), n_stays),
            **vitals,
            "ventilated": np.where(rng.random(n) < 0.3, "yes", "no"),
            "death": np.repeat((np.arange(n_stays) % 4 == 0).astype(np.int8), STEPS),
        }
    )


def train_stand_in(folder: Path) -> None:
    """Train a tiny model into the new folder."""
    from tests.worker.conftest import CPU, ignore_progress, never
    from tests.worker.tables import TINY_NETWORK, TINY_TRAINING
    from worker.train import Recipe, train_model

    folder.mkdir()
    table = folder.parent / "table.parquet"
    made_up_stays().to_parquet(table, index=False)
    train_model(
        table,
        SCHEMA,
        recipe=Recipe(name="stand-in", training=TINY_TRAINING, network=TINY_NETWORK),
        destination=folder,
        compute=CPU,
        workdir=None,
        progress=ignore_progress,
        cancelled=never,
    )


def measure(root: Path, n_stays: int, *, evaluate: bool = False) -> dict[str, Any]:
    """Peaks in bytes beyond what the process took before, and seconds, by what was done. In a fresh process."""
    import torch

    from model.compute import Compute
    from service.api.downloads import _csv_parts
    from tests.worker.conftest import ignore_progress, never
    from worker.generate import draw_cohort
    from worker.models import read_model

    torch.set_num_threads(1)
    stored = read_model(root / "model", Compute(device="cpu"))
    real = split(arrange(made_up_stays(), SCHEMA).stays, holdout_fraction=0.2, seed=0)
    peaks, seconds = {}, {}

    def request(n: int) -> GenerateRequest:
        return GenerateRequest(
            model_id="stand-in",
            n_stays=n,
            label_ratios={"death": "balanced"},
            sampler=SamplerConfig(n_steps=2),
            evaluate=evaluate,
        )

    def draw(n: int, folder: Path) -> Any:
        folder.mkdir()
        return draw_cohort(
            stored, request(n), destination=folder, chunk_size=None, progress=ignore_progress, cancelled=never
        )

    def watch(name: str, work: Callable[[], Any]) -> Any:
        before, start = reset_peak(), time.perf_counter()
        result = work()
        peaks[name], seconds[name] = peak() - before, round(time.perf_counter() - start, 1)
        return result

    draw(WARM_UP_STAYS, root / f"warm-{n_stays}")
    base = reset_peak()
    folder = root / f"cohort-{n_stays}"
    drawn = watch("drawing", lambda: draw(n_stays, folder))
    watch("csv", lambda: sum(len(part) for part in _csv_parts((folder / COHORT).open("rb"))))
    watch("evaluation", lambda: _assess(stored, request(n_stays), folder, real, drawn.result))
    metadata = pq.read_metadata(folder / COHORT)
    size = (folder / COHORT).stat().st_size
    (folder / COHORT).unlink()
    return {
        "stays": n_stays,
        "process": base,
        "peak": peaks,
        "seconds": seconds,
        "load": round(os.getloadavg()[0], 1),
        "file": size,
        "row_groups": metadata.num_row_groups,
        "footer": metadata.serialized_size,
    }


def _assess(stored: Any, request: GenerateRequest, folder: Path, real: Split, drawn: Any) -> Any:
    from model.spec.privacy import PrivacyThresholds
    from tests.worker.conftest import ignore_progress, never
    from worker.assess import assess_cohort

    return assess_cohort(
        folder,
        stored.facts,
        request,
        drawn,
        destination=folder,
        real=real,
        thresholds=PrivacyThresholds(),
        progress=ignore_progress,
        cancelled=never,
    )


def reset_peak() -> int:
    """Let the kernel forget this process' peak; returns the bytes that are resident now."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak() -> int:
    """The most bytes that were resident since `reset_peak`."""
    return _status("VmHWM")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(f"{name}:")).split()[1])


if __name__ == "__main__":
    sys.exit(main())
