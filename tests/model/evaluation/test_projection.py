from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from model.data.codec import Codec
from model.data.stays import Stays
from model.evaluation.matrices import from_matrix
from model.evaluation.projection import Map, project, training_map
from model.evaluation.space import flat, to_table


def test_axes_are_the_principal_components(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    table = to_table(ward(600, 1), ward_codec)
    found = training_map(table)
    assert found is not None
    inputs = np.clip(flat(table), -4, 4).astype(np.float64)
    values = np.linalg.svd(inputs - inputs.mean(axis=0), compute_uv=False) ** 2
    np.testing.assert_allclose(found.explained, values[:2] / values.sum(), rtol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(from_matrix(found.directions), axis=1), 1, atol=1e-3)


def test_cells_of_few_training_stays_are_empty(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    found = training_map(to_table(ward(1000, 1), ward_codec))
    assert found is not None
    counts = from_matrix(found.training) * 1000
    assert ((counts < 0.5) | (counts > 10.5)).all()
    assert 0.3 < counts.sum() / 1000 < 1


def test_equal_tables_lie_in_the_same_cells(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    table = to_table(ward(1000, 1), ward_codec)
    found = training_map(table)
    shown = project(table, found)
    assert shown is not None
    synthetic, training = from_matrix(shown.synthetic), from_matrix(shown.training)
    np.testing.assert_allclose(synthetic[training > 0], training[training > 0])
    assert 0.9 < synthetic.sum() < 1
    assert synthetic.shape == (len(shown.y_edges) - 1, len(shown.x_edges) - 1)
    backwards = project(table.take(slice(None, None, -1)), found)
    assert backwards == shown


def test_stays_of_another_kind_lie_elsewhere(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    found = training_map(to_table(ward(1000, 1), ward_codec))
    shown = project(to_table(ward(300, 2, shift=3.0), ward_codec), found)
    assert shown is not None
    assert np.abs(from_matrix(shown.synthetic) - from_matrix(shown.training)).sum() > 0.8


def test_one_wild_stay_draws_no_axis(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(200, 1)
    plain = training_map(to_table(stays, ward_codec))
    stays.numerical[7] = 777.0
    wild = training_map(to_table(stays, ward_codec))
    assert plain is not None
    assert wild is not None
    assert abs((from_matrix(plain.directions)[0] * from_matrix(wild.directions)[0]).sum()) > 0.98


def test_what_few_stays_have_alone_is_not_in_the_map(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    """Of a mean over 600 stays, one could tell how many of them have a category or a value that others have not."""
    table = to_table(ward(600, 1), ward_codec)
    several = next(j for j, channel in enumerate(table.channels) if len(channel.categories) > 2)

    def with_few(n_few: int) -> Map | None:
        numerical, categorical = table.numerical.copy(), table.categorical.copy()
        numerical[:, 0, 0], numerical[:n_few, 0, 0] = 0.0, 2.0
        categorical[:, 0, several] = 1 + np.arange(600) % 2 * (np.arange(600) >= 20)
        categorical[:n_few, 0, several] = 0
        return training_map(replace(table, numerical=numerical, categorical=categorical))

    nobody = with_few(0)
    assert with_few(1) == with_few(10) == nobody
    assert with_few(11) != nobody


def test_there_is_no_map_of_few_or_equal_stays(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    table = to_table(ward(200, 1), ward_codec)
    assert training_map(table.take(slice(109))) is None
    assert training_map(table.take(np.zeros(200, dtype=np.int64))) is None
    assert training_map(table.take(slice(110))) is not None


def test_stays_that_do_not_fit_the_map_are_not_shown(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    stays = ward(200, 1)
    found = training_map(to_table(stays, ward_codec))
    assert project(to_table(stays, ward_codec, without=frozenset({"rhythm"})), found) is None
    assert project(to_table(ward(0, 1), ward_codec), found) is None
    assert project(to_table(stays, ward_codec), None) is None


def test_a_map_survives_json(ward: Callable[..., Stays], ward_codec: Codec) -> None:
    found = training_map(to_table(ward(200, 1), ward_codec))
    assert found is not None
    assert Map.model_validate_json(found.model_dump_json()) == found
    assert pytest.approx(1, abs=1e-3) == float(np.linalg.norm(from_matrix(found.directions)[1]))
