from pathlib import Path

import pytest

from model.reproduction.source import read_source
from model.reproduction.windows import Window, make_simulated, window_table


@pytest.mark.parametrize(
    ("window", "data", "expected"),
    [
        ("given", "in/hourly_0_24.parquet", "in/hourly_0_24.parquet"),
        ("48", "in/hourly_0_24.parquet", "in/hourly_0_47.parquet"),
        ("48", "in/stays.csv", "in/stays_0_47.csv"),
        ("272", "in/stays.csv", "work/simulated-6000-0.parquet"),
    ],
)
def test_the_table_of_a_window_lies_beside_the_given_one(window: Window, data: str, expected: str) -> None:
    assert window_table(window, Path(data), Path("work")) == Path(expected)


def test_the_simulated_table_is_one_that_can_be_learned_from(tmp_path: Path) -> None:
    make_simulated(tmp_path / "new" / "simulated.parquet", n_stays=50, progress=lambda *_: None)
    source = read_source(tmp_path / "new" / "simulated.parquet")
    assert (source.schema.sequence_length, len(source.train) + len(source.holdout)) == (272, 50)
    assert source.schema.labels[0].name == "in_hospital_death"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["simulated.parquet"]
