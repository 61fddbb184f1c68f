import pytest

from model.generators import Cdmt
from model.reproduction.arms import Arm
from model.reproduction.definitions import Column, Table
from model.reproduction.records import Measured, RunRecord
from model.reproduction.tables import NOTHING, Results, made, markdown, summary
from model.spec.config import NetworkConfig, SamplerConfig, TrainingConfig

GENERATOR = Cdmt(NetworkConfig(), TrainingConfig(), SamplerConfig())
ARMS = {
    "a": Arm("a", "arm A", GENERATOR),
    "b": Arm("b", "arm B", GENERATOR, "bal"),
    "c": Arm("c", "arm C", GENERATOR),
    "d": Arm("d", "arm D", GENERATOR),
}
TABLE = Table("3", "Planted", ("a", "b", "c", "d"), (Column("mmd", "MMD", 3), Column("tstr", "TSTR", 2)), "About.")


def run(arm: str, seed: int, value: float, real: float) -> RunRecord:
    figures = {"mmd": Measured(value=value, real=real), "tstr": Measured(reason="too few stays")}
    return RunRecord(fingerprint="f", arm=arm, seed=seed, quick=False, status="ok", figures=figures)


def broken(arm: str, seed: int) -> RunRecord:
    return RunRecord(fingerprint="f", arm=arm, seed=seed, quick=False, status="failed", reason="no memory | left")


@pytest.fixture
def results() -> Results:
    records = {
        "a": [run("a", 0, 0.1, 0.02), run("a", 1, 0.3, 0.04)],
        "b": [run("b", 0, 0.5, 0.09), broken("b", 1)],
        "c": [run("c", 0, 0.7, 0.02)],
    }
    return Results(ARMS, records, seeds=2)


def test_mean_and_standard_deviation_over_seeds() -> None:
    cell = summary([0.1, None, 0.3])
    assert cell.mean == pytest.approx(0.2)
    assert cell.sd == pytest.approx(0.02**0.5)
    assert cell.n == 2
    assert (summary([0.5]).mean, summary([0.5]).sd) == (0.5, None)
    assert (summary([]).mean, summary([]).n) == (None, 0)


def test_real_stays_come_first_each_kind_from_the_arms_compared_with_it(results: Results) -> None:
    rows = made(TABLE, results).rows
    assert [row.title for row in rows[:2]] == ["real stays put aside", "real stays put aside, equal labels"]
    assert rows[0].cells["mmd"].mean == pytest.approx(0.03)
    assert rows[1].cells["mmd"].mean == pytest.approx(0.09)


def test_an_arm_that_failed_or_is_missing_keeps_its_row_and_says_so(results: Results) -> None:
    rows = {row.arm: row for row in made(TABLE, results).rows if row.arm}
    assert rows["a"].problem == "no TSTR: too few stays"
    assert rows["b"].problem == "seed 1 failed: no memory | left; no TSTR: too few stays"
    assert (rows["b"].seeds, rows["b"].cells["mmd"].mean) == (1, 0.5)
    assert rows["c"].problem == "not run for 1 of 2 seeds; no TSTR: too few stays"
    assert (rows["d"].problem, rows["d"].cells["mmd"].n) == ("not run for 2 of 2 seeds", 0)


def test_markdown_has_a_row_per_arm_and_the_problems_below(results: Results) -> None:
    text = markdown(made(TABLE, results), TABLE.columns)
    assert "## Table 3. Planted" in text
    assert "| arm A | 2 | 0.200 ± 0.141 | - |" in text
    assert "| arm B | 1 | 0.500 | - |" in text
    assert f"| arm D | 0 | {NOTHING} | {NOTHING} |" in text
    assert "- **arm B**: seed 1 failed: no memory | left; no TSTR" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert widths == {5}
