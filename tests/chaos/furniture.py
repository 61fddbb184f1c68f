"""What a store needs before anything can be asked of it: a table of real stays, and tiny models."""

from __future__ import annotations

import shutil
from pathlib import Path

from service.contracts.records import ModelRecord
from service.contracts.storage import RECORD, ArtifactStore, write_record
from tests.worker.conftest import DATASET_ID, publish_dataset

JUDGED, FREE = "tiny-judged", "tiny-free"
"""A model whose training data are in the store, so that its cohorts are evaluated; and one from elsewhere."""


def furnish(data_dir: Path, trained: Path) -> None:
    """Put the dataset DATASET_ID and the models JUDGED and FREE into a store."""
    store = ArtifactStore(data_dir)
    dataset = publish_dataset(store)
    for model_id, parents in (
        (JUDGED, {"dataset_id": DATASET_ID, "dataset_sha256": dataset.sha256}),
        (FREE, {"dataset_id": None, "origin": "imported"}),
    ):
        with store.staging("furniture") as folder:
            copy = shutil.copytree(trained, folder / "model")
            record = ModelRecord.model_validate_json((copy / RECORD).read_bytes())
            write_record(copy, record.model_copy(update={"id": model_id, **parents}))
            store.publish(copy, "models", model_id)
