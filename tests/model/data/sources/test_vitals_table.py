from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from model.data.sources.vitals_table import SIGNALS, Signal, SourceName, mean_columns, output_range, vitals
from model.data.vitals import VITALS, find_vital

DOCUMENT = Path(__file__).parents[4] / "docs" / "sources.md"
SOURCES: tuple[SourceName, ...] = ("mimic3", "eicu", "challenge2012")


def documented_vital(vital: str) -> str:
    """The line of docs/sources.md on a vital: unit, bounds, and the signals of each source."""
    known = output_range(vital)
    cells = [f"`{vital}`", known.unit, f"{known.low:g} to {known.high:g}", *(own_signals(s, vital) for s in SOURCES)]
    return f"| {' | '.join(cells)} |"


def own_signals(source: SourceName, vital: str) -> str:
    own = [signal for signal in SIGNALS[source] if signal.vital == vital]
    ranks = [[shown(signal) for signal in own if signal.rank == rank] for rank in (0, 1)]
    return ", else ".join(", ".join(keys) for keys in ranks if keys) or "-"


def shown(signal: Signal) -> str:
    return f"`{signal.key}`" + (" (degF)" if signal.unit == "degF" else "")


def documented_signal(signal: Signal) -> str:
    """The line of docs/sources.md on a signal."""
    return f"| `{signal.key}` | {signal.label} | {signal.unit} | `{signal.vital}` |"


def test_the_document_has_the_table_that_the_code_uses() -> None:
    text = DOCUMENT.read_text().splitlines()
    lines = [documented_vital(vital) for vital in vitals(SIGNALS["mimic3"])]
    lines += [documented_signal(signal) for source in SOURCES for signal in SIGNALS[source]]
    assert [line for line in lines if line not in text] == []
    assert sum(line.startswith("| `") for line in text) == len(lines)


@pytest.mark.parametrize("source", SOURCES)
def test_every_signal_is_of_a_known_vital_and_named_once(source: SourceName) -> None:
    keys = [signal.key for signal in SIGNALS[source]]
    assert len(set(keys)) == len(keys)
    for signal in SIGNALS[source]:
        known = find_vital(signal.vital)
        assert known is not None
        assert signal.unit in {known_range.unit for known_range in known.ranges}


def test_units_and_bounds_are_those_of_the_schema_s_vitals() -> None:
    ranges = {vital.name: vital.ranges[0] for vital in VITALS}
    assert all(output_range(name) == ranges[name] for name in vitals(SIGNALS["mimic3"]))


def mean(rows: str, *signals: Signal, bounded: bool = True) -> float | None:
    """The mean of made-up readings, rows of (key, value), by DuckDB."""
    columns = mean_columns(signals, lambda s: f"CASE WHEN key = '{s.key}' THEN value END", bounded=bounded)
    answer = duckdb.execute(f"SELECT {columns[0]} FROM (VALUES {rows}) r(key, value)").fetchone()
    assert answer is not None
    return None if answer[0] is None else float(answer[0])


def test_a_lower_rank_goes_first_and_a_reading_out_of_bounds_does_not_count() -> None:
    line, cuff = Signal("map", "line", "", "mmHg"), Signal("map", "cuff", "", "mmHg", rank=1)
    assert mean("('line', 60.0), ('line', 70.0), ('cuff', 90.0)", line, cuff) == 65
    assert mean("('line', 900.0), ('cuff', 90.0), ('cuff', 80.0)", line, cuff) == 85
    assert mean("('line', 900.0), ('cuff', -1.0)", line, cuff) is None
    assert mean("('line', 900.0), ('cuff', 80.0)", line, cuff, bounded=False) == 900


@pytest.mark.parametrize("value", ["'nan'", "'inf'", "'-inf'"])
@pytest.mark.parametrize("bounded", [True, False])
def test_what_is_no_finite_number_never_counts(value: str, bounded: bool) -> None:
    signal = Signal("map", "line", "", "mmHg")
    assert mean(f"('line', 60::DOUBLE), ('line', {value}::DOUBLE)", signal, bounded=bounded) == 60


def test_degrees_fahrenheit_are_averaged_with_degrees_celsius() -> None:
    fahrenheit, celsius = Signal("temperature", "f", "", "degF"), Signal("temperature", "c", "", "degC")
    assert mean("('f', 98.6), ('c', 38.0), ('f', 38.0)", fahrenheit, celsius) == pytest.approx(37.5)
