from __future__ import annotations

import shutil
from pathlib import Path

from service.bundled import register_bundled
from service.contracts.storage import ArtifactStore
from tests.service.making import add_model


def test_bundled_models_are_registered_once(store: ArtifactStore, tmp_path: Path) -> None:
    record = add_model(store, "bundled-1")
    bundled = tmp_path / "bundled"
    shutil.move(store.model_dir("bundled-1"), bundled / "any-name")
    (bundled / "README.md").write_text("no model")
    assert register_bundled(store, bundled) == ["bundled-1"]
    assert store.model("bundled-1") == record
    assert set(record.files) <= {path.name for path in store.model_dir("bundled-1").iterdir()}
    assert register_bundled(store, bundled) == []
    assert register_bundled(store, tmp_path / "nothing") == []
