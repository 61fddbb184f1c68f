import pytest

from model.reproduction.arms import DEFAULT, all_arms
from model.reproduction.plan import Plan
from model.reproduction.records import Measured, RunRecord
from model.reproduction.tables import Results
from model.reproduction.targets import judged, targets_markdown

ARMS = all_arms(Plan(), gpu=False)


def results(arm: str, **figures: tuple[float, float | None]) -> Results:
    found = {name: Measured(value=value, real=real) for name, (value, real) in figures.items()}
    record = RunRecord(fingerprint="f", arm=arm, seed=0, quick=False, status="ok", figures=found)
    return Results(ARMS, {arm: [record]}, seeds=1)


@pytest.mark.parametrize(
    ("arm", "figure", "value", "real", "text", "status"),
    [
        (DEFAULT, "total_variation", 0.0045, None, "TVD <= .0045", "met"),
        (DEFAULT, "total_variation", 0.0046, None, "TVD <= .0045", "not met"),
        (DEFAULT, "rules", 0.9939, 0.995, "rules hold in >= 99.4 % of rows", "not met"),
        (DEFAULT, "trts", 0.78, 0.765, "TRTS within .02 of real", "met"),
        (DEFAULT, "trts", 0.73, 0.765, "TRTS within .02 of real", "not met"),
        (DEFAULT, "trts", 0.73, None, "TRTS within .02 of real", "not measured"),
        (DEFAULT, "mix_100_100", 0.77, 0.77, "100 % real + 100 % synthetic above TRTR", "not met"),
        ("ours-bal", "tstr", 0.77, 0.77, "CFG-bal: TSTR >= TRTR", "met"),
        (DEFAULT, "tstr", 0.77, 0.77, "CFG-bal: TSTR >= TRTR", "not measured"),
    ],
)
def test_a_target_is_met_by_the_figure_that_it_names(
    arm: str, figure: str, value: float, real: float | None, text: str, status: str
) -> None:
    found = {one.text: one for one in judged(results(arm, **{figure: (value, real)}))}
    assert found[text].status == status


def test_what_was_not_measured_is_said_so() -> None:
    targets = judged(Results(ARMS, {}, seeds=5))
    assert {one.status for one in targets} == {"not measured"}
    lines = targets_markdown(targets).splitlines()
    assert len(lines) == len(targets) + 2
    assert lines[-1].endswith("| - | 0 | not measured |")
