import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.evaluation.privacy.neighbours import nearest
from model.evaluation.privacy.records import MISMATCH, Records, squared_distance
from model.evaluation.privacy.view import EXACT


def random_records(n: int, seed: int, *, length: int = 5, vitals: int = 2, sizes: tuple[int, ...] = (3,)) -> Records:
    rng = np.random.default_rng(seed)
    measured = rng.random((n, length, vitals)) < 0.6
    values = np.where(measured, rng.normal(0, 1, (n, length, vitals)), 0).astype(np.float32)
    codes = np.zeros((n, length, len(sizes)), dtype=np.int16)
    for j, size in enumerate(sizes):
        codes[:, :, j] = rng.integers(0, size, (n, length))
    return Records(values, measured, codes, sizes)


def brute_force(a: Records, b: Records) -> float:
    total = 0.0
    for t in range(a.n_steps):
        for j in range(a.values.shape[2]):
            if a.measured[0, t, j] and b.measured[0, t, j]:
                total += (float(a.values[0, t, j]) - float(b.values[0, t, j])) ** 2
            elif a.measured[0, t, j] != b.measured[0, t, j]:
                total += MISMATCH
        total += MISMATCH * int((a.codes[0, t] != b.codes[0, t]).sum())
    return total


@pytest.mark.parametrize(("vitals", "sizes"), [(2, (3,)), (2, ()), (0, (3, 2)), (1, (4,))])
def test_the_nearest_records_are_those_of_a_brute_force_search(vitals: int, sizes: tuple[int, ...]) -> None:
    queries = random_records(7, 0, vitals=vitals, sizes=sizes)
    pool = random_records(30, 1, vitals=vitals, sizes=sizes)
    every = np.array(
        [[brute_force(queries.take(slice(i, i + 1)), pool.take(slice(j, j + 1))) for j in range(30)] for i in range(7)]
    )
    found = nearest(queries, pool, k=3)
    np.testing.assert_allclose(found.distance, np.sqrt(np.sort(every, axis=1)[:, :3]), atol=1e-6)
    np.testing.assert_allclose(
        np.take_along_axis(every, found.record, axis=1), np.sort(every, axis=1)[:, :3], atol=1e-6
    )


def test_large_pools_are_searched_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, pool = random_records(50, 2), random_records(200, 3)
    whole = nearest(queries, pool, k=4)
    monkeypatch.setattr("model.evaluation.privacy.neighbours.POOL_BLOCK", 16)
    monkeypatch.setattr("model.evaluation.privacy.neighbours.QUERY_BLOCK", 7)
    parts = nearest(queries, pool, k=4)
    np.testing.assert_array_equal(whole.record, parts.record)
    np.testing.assert_array_equal(whole.distance, parts.distance)


def test_a_query_is_never_compared_with_its_own_group() -> None:
    records = random_records(40, 4)
    groups = np.arange(40) // 2
    found = nearest(records, records, k=3, query_groups=groups, pool_groups=groups)
    assert (found.record >= 0).all()
    assert (groups[found.record] != groups[:, None]).all()
    assert (nearest(records, records, k=1).distance == 0).all()


def test_wild_values_do_not_blur_an_exact_copy() -> None:
    records = random_records(60, 5)
    wild = Records(
        (records.values + 20.0 * records.measured).astype(np.float32), records.measured, records.codes, records.sizes
    )
    found = nearest(wild, wild, k=1)
    assert (found.distance[:, 0] < EXACT).all()
    np.testing.assert_array_equal(found.record[:, 0], np.arange(60))


@pytest.mark.parametrize(("n", "pool", "k"), [(0, 5, 2), (3, 0, 2), (3, 1, 2), (1, 1, 1), (0, 0, 1)])
def test_missing_neighbours_are_infinitely_far(n: int, pool: int, k: int) -> None:
    found = nearest(random_records(n, 0), random_records(pool, 1), k=k)
    assert found.distance.shape == found.record.shape == (n, k)
    assert (np.isinf(found.distance) == (found.record < 0)).all()
    assert ((found.record >= 0).sum(axis=1) == min(k, pool)).all()


@given(seed=st.integers(0, 1_000), sd=st.floats(0, 2))
@settings(max_examples=30, deadline=None)
def test_distance_is_symmetric_zero_to_itself_and_grows_with_noise(seed: int, sd: float) -> None:
    records = random_records(6, seed)
    noise = np.where(records.measured, np.random.default_rng(seed).normal(size=records.values.shape), 0)
    near = Records((records.values + sd * noise).astype(np.float32), records.measured, records.codes, records.sizes)
    far = Records((records.values + 2 * sd * noise).astype(np.float32), records.measured, records.codes, records.sizes)
    assert (squared_distance(records, records) == 0).all()
    np.testing.assert_allclose(squared_distance(records, near), squared_distance(near, records))
    assert (squared_distance(records, far) >= squared_distance(records, near) - 1e-5).all()


def test_flat_and_empty_stays_tell_little() -> None:
    values = np.zeros((3, 4, 1), dtype=np.float32)
    values[1] = 1.5
    values[2, :, 0] = [1, 2, 2, 3]
    measured = np.ones_like(values, dtype=bool)
    measured[0] = False
    records = Records(values, measured, np.zeros((3, 4, 0), dtype=np.int16), ())
    assert records.told().tolist() == [0, 1, 3]
