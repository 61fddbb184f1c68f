"""Models read from the store, and kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from model.compute import Compute
from model.spec.errors import CheckpointError
from service.contracts.errors import NotFound
from service.contracts.records import ModelRecord
from service.contracts.storage import RECORD, ArtifactStore, write_record
from worker.models import ModelCache, read_model

CPU = Compute(device="cpu")


@pytest.fixture
def store(tmp_path: Path, trained_folder: Path) -> ArtifactStore:
    """Three models, called one, two and three, with the same weights."""
    store = ArtifactStore(tmp_path)
    for name in ("one", "two", "three"):
        folder = shutil.copytree(trained_folder, store.root / "models" / name)
        record = ModelRecord.model_validate_json((folder / RECORD).read_bytes())
        write_record(folder, record.model_copy(update={"id": name}))
    return store


def loaded(cache: ModelCache, names: list[str]) -> list[str]:
    """What the log says was loaded while the models of `names` were got."""
    with capture_logs() as lines:
        for name in names:
            assert cache.get(name).stored.record.id == name
    return [line["model_id"] for line in lines if line["event"] == "model_loaded"]


def test_a_model_is_read_once(store: ArtifactStore) -> None:
    cache = ModelCache(store, size=2, compute=Compute(device="cpu"))
    assert loaded(cache, ["one", "one", "one"]) == ["one"]
    assert cache.get("one").load == "warm"


def test_the_least_recently_used_model_goes_first(store: ArtifactStore) -> None:
    cache = ModelCache(store, size=2, compute=Compute(device="cpu"))
    assert loaded(cache, ["one", "two", "one", "three", "one", "two"]) == ["one", "two", "three", "two"]


def test_a_deleted_model_is_not_served_from_memory(store: ArtifactStore) -> None:
    cache = ModelCache(store, size=2, compute=Compute(device="cpu"))
    cache.get("one")
    store.remove("models", "one")
    with pytest.raises(NotFound):
        cache.get("one")


def test_another_model_under_the_same_id_is_read_anew(store: ArtifactStore) -> None:
    cache = ModelCache(store, size=2, compute=Compute(device="cpu"))
    record = cache.get("one").stored.record
    write_record(store.model_dir("one"), record.model_copy(update={"version": 2}))
    assert loaded(cache, ["one"]) == ["one"]
    assert cache.get("one").stored.record.version == 2


def test_altered_weights_are_refused(store: ArtifactStore) -> None:
    with (store.model_dir("one") / "weights.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(CheckpointError, match="not the file that its record describes"):
        read_model(store.model_dir("one"), CPU)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no stored model"):
        read_model(tmp_path, CPU)


def test_reference_statistics_of_another_version_do_not_bar_the_model(store: ArtifactStore) -> None:
    (store.model_dir("one") / "reference.json").write_text('{"version": 99}')
    assert read_model(store.model_dir("one"), CPU).reference is None
    assert read_model(store.model_dir("two"), CPU).reference is not None
