from __future__ import annotations

import pytest

from model.bench.scaling import CHUNKS, LENGTHS, N_STEPS, STEPS, curve, line, scaling_points
from model.bench.subjects import untrained
from model.data.codec import Codec
from tests.model.conftest import CPU, TINY


def test_a_line_is_found_again() -> None:
    assert line([10, 20, 40, 80], [0.5 + 0.02 * x for x in (10, 20, 40, 80)]) == pytest.approx((0.5, 0.02))


def test_a_curve_tells_how_far_the_cost_is_from_linear() -> None:
    straight = curve("steps", (10, 20, 40), [(0.3, 0.1, 0.2), (0.4, 0.4, 0.4), (0.8, 0.7, 0.9)])
    assert straight.seconds == (0.2, 0.4, 0.8)
    assert (straight.low[0], straight.high[0]) == (0.1, 0.3)
    assert (straight.fixed, straight.each, straight.off) == pytest.approx((0, 0.02, 0), abs=1e-9)
    bent = curve("steps", (10, 20, 40), [(0.1,), (0.4,), (1.6,)])
    assert bent.off > 0.2


def test_one_thing_grows_at_a_time(toy_codec: Codec) -> None:
    bundled = untrained(toy_codec, TINY, chunk_size=8, compute=CPU)
    points = scaling_points(bundled, CPU)
    sizes = {what: tuple(point.size for point in points if point.what == what) for what in ("stays", "steps", "length")}
    assert sizes == {"stays": tuple(8 * n for n in CHUNKS), "steps": STEPS, "length": LENGTHS}
    for point in points:
        length = point.subject.denoiser.dimensions.sequence_length
        assert length == (point.size if point.what == "length" else 6)
        assert point.n_stays == {"stays": point.size, "steps": 8, "length": 2}[point.what]
        assert point.n_steps == (point.size if point.what == "steps" else N_STEPS)
