"""How long a running job takes to stop after it was cancelled, at moments spread over its whole course.

    python scripts/measure_cancel.py TABLE.parquet [--stays 10000] [--moments 8] [--kind evaluate|generate|train]

TABLE is the table of Challenge 2012, which the bundled model knows; its stays are repeated, slightly changed, until
there are as many as asked for. Prints one line per moment: how far the job was, and the seconds until it had stopped.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd

from model.data.arrange import arrange
from model.data.readers import read_table
from model.spec.config import TrainingConfig
from model.spec.schema import Schema
from service.bundled import register_bundled
from service.contracts import live
from service.contracts.ids import new_id
from service.contracts.jobs import JobRecord, now
from service.contracts.records import TABLE, DatasetRecord
from service.contracts.requests import EvaluateRequest, GenerateRequest, Request, TrainRequest, UploadedTable
from service.contracts.settings import Settings
from service.contracts.storage import file_sha256, manifest, write_record
from service.valkey import prepared, wait_until_ready
from worker.tasks import execute, open_for
from worker.workshop import Workshop, open_workshop

LARGE = 2**40


def repeated(frame: pd.DataFrame, schema: Schema, n_stays: int) -> pd.DataFrame:
    """At least `n_stays` stays: copies of those in `frame` under new ids, their values a little moved."""
    rng = np.random.default_rng(0)
    n_copies = -(-n_stays // frame[schema.stay_id].nunique())
    codes, _ = pd.factorize(frame[schema.stay_id])
    copies = []
    for k in range(n_copies):
        copy = frame.copy()
        copy[schema.stay_id] = codes + k * (codes.max() + 1)
        for feature in schema.numerical:
            copy[feature.name] *= 1 + rng.normal(0, 0.01, len(copy)).astype(np.float32)
        copies.append(copy)
    whole = pd.concat(copies, ignore_index=True)
    return whole[whole[schema.stay_id] < n_stays]


def publish_dataset(shop: Workshop, frame: pd.DataFrame, schema: Schema) -> DatasetRecord:
    """The table as a dataset of the store."""
    with shop.store.staging("measure") as folder:
        frame.to_parquet(folder / TABLE, index=False)
        record = DatasetRecord(
            id=new_id(), created_at=now(), files=manifest(folder), name="measured", table_schema=schema,
            schema_inferred=False, sequence_length=schema.sequence_length,
            columns={name: str(dtype) for name, dtype in frame.dtypes.items()},
            sha256=file_sha256(folder / TABLE), bytes=(folder / TABLE).stat().st_size,
            **arrange(frame, schema).summary.model_dump(),
        )  # fmt: skip
        write_record(folder, record)
        shop.store.publish(folder, "datasets", record.id)
    return record


def submit(shop: Workshop, kind: str, dataset: DatasetRecord, model_id: str, frame: pd.DataFrame, n: int) -> str:
    """The record of a job of this kind, with the table that it is about."""
    record_id, table = new_id(), None
    if kind == "generate":
        request: Request = GenerateRequest(model_id=model_id, n_stays=n)
    elif kind == "train":
        request = TrainRequest(dataset_id=dataset.id, name="measured", training=TrainingConfig(max_steps=100_000))
    else:
        table = shop.store.root / f"{record_id}.parquet"
        frame.to_parquet(table, index=False)
        uploaded = UploadedTable(filename="t.parquet", n_stays=n, sha256=file_sha256(table), bytes=table.stat().st_size)
        request = EvaluateRequest(dataset_id=dataset.id, table=uploaded)
    shop.jobs.create(JobRecord(id=record_id, created_at=now(), request=request), table=table)
    return record_id


def stopped_after(settings: Settings, job_id: str, moment: float) -> tuple[str, float]:
    """How far the job is `moment` seconds after its start, when it is cancelled; and the seconds until it stops."""
    shop = open_workshop(settings)
    seen: list[tuple[str, float]] = []

    def cancel() -> None:
        progress = live.read_progress(shop.redis, job_id)
        shop.jobs.transition(job_id, lambda record: record.model_copy(update={"status": "cancelling"}))
        live.request_cancel(shop.redis, job_id)
        seen.append((f"{progress.step} {progress.value}/{progress.max}" if progress else "-", time.perf_counter()))

    timer = threading.Timer(moment, cancel)
    timer.start()
    ended = execute(job_id, shop)
    stop = time.perf_counter()
    timer.cancel()
    if not seen:
        return f"over before ({ended})", 0.0
    return f"{seen[0][0]} [{ended}]", stop - seen[0][1]


def main() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--stays", type=int, default=10_000)
    parser.add_argument("--moments", type=int, default=8)
    parser.add_argument("--spread", type=float, default=20.0, help="seconds from the first moment to the last")
    parser.add_argument("--kind", choices=("evaluate", "generate", "train"), default="evaluate")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cdmt-") as folder, prepared(Path(folder)) as valkey:
        server = subprocess.Popen(valkey.argv, stdout=subprocess.DEVNULL)
        try:
            wait_until_ready(valkey.url)
            settings = Settings(data_dir=Path(folder) / "var", redis_url=valkey.url)
            shop = open_workshop(settings)
            model = shop.store.model(next(iter(register_bundled(shop.store))))
            frame = read_table(given.table, max_columns=LARGE, max_rows=LARGE, max_bytes=LARGE)
            frame = repeated(frame, model.table_schema, given.stays)
            dataset = publish_dataset(shop, frame, model.table_schema)
            worst = 0.0
            for k in range(given.moments):
                moment = 0.2 + given.spread * (k / max(1, given.moments - 1)) ** 2
                job_id = submit(shop, given.kind, dataset, model.id, frame, given.stays)
                with get_context("spawn").Pool(1, open_for, (settings,)) as fresh:  # as a horse that is replaced
                    where, seconds = fresh.apply(stopped_after, (settings, job_id, moment))
                worst = max(worst, seconds)
                print(f"{given.kind}, after {moment:5.1f} s: {where}: {seconds:.2f} s", flush=True)
            print(f"{given.kind}: worst {worst:.2f} s")
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
