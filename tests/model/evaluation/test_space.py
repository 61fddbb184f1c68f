from collections.abc import Callable

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation import space
from model.evaluation.space import Table, flat, part_of, sequences, to_table


@pytest.fixture
def table(ward: Callable[..., Stays], ward_codec: Codec) -> Table:
    return to_table(ward(50, 1), ward_codec)


def test_the_common_space_is_filled_and_has_no_labels_among_its_channels(table: Table) -> None:
    assert np.isfinite(table.numerical).all()
    assert [channel.name for channel in table.channels] == ["rhythm", "temperature measured", "heart_rate measured"]
    assert table.categorical.shape == (50, 8, 3)
    assert table.labels.shape == (50, 2)


def test_channels_can_be_left_out(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    table = to_table(ward(5, 1), ward_codec, without=frozenset({"rhythm"}))
    assert [channel.kind for channel in table.channels] == ["mark", "mark"]
    assert table.categorical.shape == (5, 8, 2)


def test_a_wild_value_is_kept_within_bounds(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(5, 1)
    stays.numerical[0, 0, 1] = 1e30
    assert to_table(stays, ward_codec).numerical.max() == space.Z_LIMIT


def test_networks_see_one_column_for_two_categories_and_one_each_for_more(table: Table) -> None:
    inputs = sequences(table)
    assert inputs.shape == (50, 8, 2 + 3 + 1 + 1)
    np.testing.assert_array_equal(inputs[:, :, 2:5].argmax(axis=2), table.categorical[:, :, 0])
    np.testing.assert_array_equal(inputs[:, :, 5], table.categorical[:, :, 1])
    np.testing.assert_array_equal(flat(table), inputs.reshape(50, -1))


def test_long_stays_are_thinned(table: Table) -> None:
    np.testing.assert_array_equal(sequences(table, max_steps=3), sequences(table)[:, ::3])


def test_stays_too_many_for_the_memory_are_thinned(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "MAX_CELLS", 50 * 7 * 4)
    assert sequences(table).shape == (50, 4, 7)


def test_a_sample_is_repeatable_and_all_there_is_stays_in_order(table: Table) -> None:
    assert table.sample(50, seed=3) is table
    np.testing.assert_array_equal(table.sample(9, seed=3).numerical, table.sample(9, seed=3).numerical)
    assert len(table.sample(9, seed=3)) == 9


def test_the_ticks_of_parts_fill_the_whole() -> None:
    told: list[float] = []
    part_of(told.append, 0, 2)(0.5)
    part_of(told.append, 1, 2)(1.0)
    assert told == [0.25, 1.0]
