"""The gate on real stays: those that nobody learned from pass, planted copies of them are held."""

import json
from pathlib import Path

import numpy as np
import pytest

from model.data.arrange import arrange
from model.data.codec import Codec
from model.data.readers import read_table
from model.data.split import Split, split
from model.data.stays import Stays
from model.spec.schema import Schema
from tests.model.evaluation.privacy.conftest import gate, joined, moved, noisy

RECORD = Path("model/bundled/challenge2012-v1/record.json")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema.model_validate(json.loads(RECORD.read_text())["schema"])


@pytest.fixture(scope="module")
def sides(challenge2012: Path, schema: Schema) -> tuple[Split, Stays]:
    """2,000 training and 500 holdout stays, and 1,000 others that stand for an honest cohort."""
    frame = read_table(challenge2012, max_columns=10**6, max_rows=10**9, max_bytes=10**12)
    stays = arrange(frame, schema).stays
    order = np.random.default_rng(0).permutation(len(stays))
    return split(stays.take(order[:2_500]), holdout_fraction=0.2, seed=0), stays.take(order[2_500:3_500])


def test_unseen_stays_and_the_holdout_pass_and_copies_are_held(sides: tuple[Split, Stays], schema: Schema) -> None:
    (train, holdout), unseen = sides
    codec = Codec.fit(train, schema)
    for harmless in (unseen, unseen.take(slice(200)), holdout):
        verdict, _ = gate(codec, train, holdout, harmless)
        assert verdict.status == "passed", verdict.reason
    few = train.take(slice(50))
    for leaked in (few, noisy(few, 0.5, codec), moved(few, 3), noisy(moved(few, -1), 0.2, codec)):
        verdict, _ = gate(codec, train, holdout, joined(unseen.take(slice(950)), leaked))
        assert verdict.status == "held"
        assert "near_copies" in {test.name for test in verdict.failed if test.about is None}
