"""Models that come with the software: registered when the gateway starts, so that a newcomer can generate at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import model
from service.contracts.errors import AlreadyPublished
from service.contracts.records import ModelRecord
from service.contracts.storage import RECORD, ArtifactStore

BUNDLED = Path(model.__file__).parent / "bundled"


def register_bundled(store: ArtifactStore, folder: Path = BUNDLED) -> list[str]:
    """Copy each model folder in `folder` into the store unless its id is there; returns the ids that were new."""
    return [record.id for path in sorted(folder.glob(f"*/{RECORD}")) if (record := _register(store, path)) is not None]


def is_bundled(model_id: str, folder: Path = BUNDLED) -> bool:
    """Whether a model of this id comes with the software, registered or not."""
    records = (ModelRecord.model_validate_json(path.read_bytes()) for path in folder.glob(f"*/{RECORD}"))
    return any(record.id == model_id for record in records)


def _register(store: ArtifactStore, path: Path) -> ModelRecord | None:
    record = ModelRecord.model_validate_json(path.read_bytes())
    if store.exists("models", record.id):
        return None
    with store.staging("bundled") as staged:
        for name in (RECORD, *record.files):
            shutil.copyfile(path.parent / name, staged / name)
        try:
            store.publish(staged, "models", record.id)
        except AlreadyPublished:  # by another gateway that starts now, too
            return None
    return record
