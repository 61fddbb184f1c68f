from pathlib import Path

import pytest

from model.reproduction.windows import Window, window_table


@pytest.mark.parametrize(
    ("window", "data", "expected"),
    [
        ("given", "in/hourly_0_24.parquet", "in/hourly_0_24.parquet"),
        ("48", "in/hourly_0_24.parquet", "in/hourly_0_47.parquet"),
        ("48", "in/stays.csv", "in/stays_0_47.csv"),
    ],
)
def test_the_table_of_a_window_lies_beside_the_given_one(window: Window, data: str, expected: str) -> None:
    assert window_table(window, Path(data)) == Path(expected)
