from __future__ import annotations

from service.contracts.records import WEIGHTS, ModelRecord
from service.contracts.storage import ArtifactStore
from tests.service.making import SCHEMA, add_model


def test_a_model_record_says_schema_outside_and_table_schema_inside(store: ArtifactStore) -> None:
    record = add_model(store)
    assert record.table_schema == SCHEMA
    assert record.model_dump()["schema"]["stay_id"] == "stay"
    assert ModelRecord.model_validate_json(record.model_dump_json()) == record
    assert store.model("model-1") == record


def test_the_checksum_of_a_model_is_that_of_its_weights(store: ArtifactStore) -> None:
    record = add_model(store)
    assert record.sha256 == record.files[WEIGHTS].sha256
