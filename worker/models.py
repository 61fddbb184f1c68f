"""Models as they lie in the store, and those that stay loaded between jobs."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from model.checkpoint import Model, load_model, read_description
from model.compute import Compute
from model.data.codec import Codec
from model.evaluation.reference import ReferenceStatistics
from model.spec.errors import CheckpointError
from model.spec.files import PLAIN, Files
from model.spec.privacy import PrivacyVerdict
from service.contracts.records import WEIGHTS, ModelRecord
from service.contracts.storage import RECORD, ArtifactStore, file_sha256
from worker.report import read_reference, read_verdict

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ModelFacts:
    """What an evaluation needs of a model: its record, its codec, and what it remembers of its training data."""

    record: ModelRecord
    codec: Codec
    reference: ReferenceStatistics | None
    verdict: PrivacyVerdict | None = None
    """Of the privacy tests in the model's own report, on a large cohort of its own."""


@dataclass(frozen=True)
class StoredModel:
    """A model ready to sample from, its record, and what it remembers of the data that it was trained on."""

    model: Model
    record: ModelRecord
    reference: ReferenceStatistics | None

    @property
    def facts(self) -> ModelFacts:
        """All but the weights."""
        return ModelFacts(self.record, self.model.codec, self.reference)


@dataclass(frozen=True)
class CachedModel:
    """A model from the cache: whether it had to be read for this, and the seconds until it was ready."""

    stored: StoredModel
    load: Literal["loaded", "warm"]
    seconds: float


def read_model(folder: Path, compute: Compute, *, files: Files = PLAIN) -> StoredModel:
    """The model in `folder`, ready to draw as `compute` says.

    CheckpointError if it is incomplete, altered or of an unknown format; CDMTError where there is no such device.
    """
    try:
        record = ModelRecord.model_validate_json((folder / RECORD).read_bytes())
        intact = file_sha256(files.source(folder / WEIGHTS)) == record.sha256
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"'{folder.name}' is no stored model: {type(error).__name__}") from error
    if not intact:
        raise CheckpointError(f"model '{record.id}': {WEIGHTS} is not the file that its record describes")
    return StoredModel(load_model(folder, compute, files=files), record, read_reference(folder))


def read_facts(folder: Path) -> ModelFacts:
    """What is known of the model in `folder` without loading it; CheckpointError."""
    try:
        record = ModelRecord.model_validate_json((folder / RECORD).read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"'{folder.name}' is no stored model: {type(error).__name__}") from error
    return ModelFacts(record, Codec(read_description(folder).codec), read_reference(folder), read_verdict(folder))


class ModelCache:
    """The `size` models used last. One whose record has changed since it was read is read again."""

    def __init__(self, store: ArtifactStore, *, size: int, compute: Compute) -> None:
        self._store = store
        self._size = size
        self._compute = compute
        self._models: OrderedDict[str, StoredModel] = OrderedDict()

    def get(self, model_id: str) -> CachedModel:
        """The model, read if it is not here yet.

        Raises NotFound (also if it has been deleted), CheckpointError, and CDMTError where there is no such device.
        """
        start = time.perf_counter()
        record = self._store.model(model_id)
        warm = model_id in self._models and self._models[model_id].record == record
        if not warm:
            self._models.pop(model_id, None)
            self._make_room()
            folder = self._store.model_dir(model_id)
            self._models[model_id] = read_model(folder, self._compute, files=self._store.files)
        self._models.move_to_end(model_id)
        seconds = round(time.perf_counter() - start, 3)
        if not warm:
            engine = self._models[model_id].model.engine.name
            log.info("model_loaded", model_id=model_id, engine=engine, seconds=seconds)
        return CachedModel(self._models[model_id], "warm" if warm else "loaded", seconds)

    def _make_room(self) -> None:
        """Forget the least recently used first, so that never more than `size` are in memory."""
        while len(self._models) >= self._size:
            forgotten, _ = self._models.popitem(last=False)
            log.info("model_forgotten", model_id=forgotten)
