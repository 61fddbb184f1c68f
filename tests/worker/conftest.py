"""A tiny model, trained once per test session, and a workshop whose store holds it and its dataset."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from model.compute import Compute
from model.data.arrange import arrange
from service.contracts.ids import new_id
from service.contracts.jobs import JobRecord, now
from service.contracts.records import TABLE, DatasetRecord, ModelRecord
from service.contracts.requests import Request
from service.contracts.settings import Settings
from service.contracts.storage import ArtifactStore, file_sha256, manifest, write_record
from tests.model.evaluation.conftest import shorten
from tests.worker.tables import SCHEMA, TINY_NETWORK, TINY_TRAINING, made_up_stays, write_table
from worker.train import Recipe, train_model
from worker.workshop import Workshop, open_workshop

DATASET_ID = "made-up-stays"
CPU = Compute(device="cpu", precision="float32")


def ignore_progress(_step: str, _value: int, _max: int) -> None:
    """Where a test does not look at the progress."""


def never() -> bool:
    """Where nobody cancels."""
    return False


def publish_dataset(store: ArtifactStore) -> DatasetRecord:
    """The made-up stays as the dataset DATASET_ID."""
    frame = made_up_stays()
    summary = arrange(frame, SCHEMA).summary
    with store.staging("test") as folder:
        table = write_table(folder / TABLE)
        record = DatasetRecord(
            id=DATASET_ID,
            created_at=now(),
            files=manifest(folder),
            name="made up",
            table_schema=SCHEMA,
            schema_inferred=False,
            sequence_length=SCHEMA.sequence_length,
            columns={name: str(dtype) for name, dtype in frame.dtypes.items()},
            sha256=file_sha256(table),
            bytes=table.stat().st_size,
            **summary.model_dump(),
        )
        write_record(folder, record)
        store.publish(folder, "datasets", record.id)
    return record


@pytest.fixture(autouse=True)
def short_reports() -> Iterator[None]:
    """The networks of a report learn for two epochs in this process: what they find is the evaluation's to test."""
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        yield


def train_tiny(folder: Path) -> Path:
    """Train a tiny model into the new folder `folder`/model. The networks of its report learn for two epochs."""
    destination = folder / "model"
    destination.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        train_model(
            write_table(folder / "table.parquet"),
            SCHEMA,
            recipe=Recipe(name="tiny", training=TINY_TRAINING, network=TINY_NETWORK),
            destination=destination,
            compute=CPU,
            workdir=None,
            progress=ignore_progress,
            cancelled=never,
        )
    return destination


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model, as `train_model` left it."""
    return train_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def shop(settings: Settings, valkey_url: str, redis: Redis) -> Workshop:
    """A workshop on an empty store and the session's Valkey, which is empty, too."""
    return open_workshop(settings.model_copy(update={"redis_url": valkey_url, "device": "cpu", "precision": "float32"}))


@pytest.fixture
def dataset(shop: Workshop) -> DatasetRecord:
    """The made-up stays, in the workshop's store."""
    return publish_dataset(shop.store)


@pytest.fixture
def model(shop: Workshop, dataset: DatasetRecord, trained_folder: Path) -> ModelRecord:
    """The tiny model, in the workshop's store as one of the dataset there."""
    with shop.store.staging("test") as folder:
        copy = shutil.copytree(trained_folder, folder / "model")
        record = ModelRecord.model_validate_json((copy / "record.json").read_bytes())
        parents = {"dataset_id": dataset.id, "dataset_sha256": dataset.sha256}
        record = record.model_copy(update=parents)
        write_record(copy, record)
        shop.store.publish(copy, "models", record.id)
    return record


@pytest.fixture
def orphan(shop: Workshop, trained_folder: Path) -> ModelRecord:
    """The tiny model, in the workshop's store as one that came from elsewhere: nobody has its training data."""
    with shop.store.staging("test") as folder:
        copy = shutil.copytree(trained_folder, folder / "model")
        record = ModelRecord.model_validate_json((copy / "record.json").read_bytes())
        record = record.model_copy(update={"id": "orphan-model", "origin": "imported"})
        write_record(copy, record)
        shop.store.publish(copy, "models", record.id)
    return record


def submit(shop: Workshop, request: Request) -> str:
    """A job's record in state queued; returns its id. Nothing is put into the queue."""
    record = JobRecord(id=new_id(), created_at=now(), request=request, request_id="test-request")
    shop.jobs.create(record)
    return record.id
