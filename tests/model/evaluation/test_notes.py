from model.evaluation.notes import notes_on
from model.spec.figures import LabelReport


def notes(**changes: object) -> str:
    facts = {
        "labels": [],
        "imputed": False,
        "n_evaluated": 100,
        "n_stays": 100,
        "n_holdout": 100,
        "has_dataset": True,
    }
    return "\n".join(notes_on(**(facts | changes)))  # type: ignore[arg-type]


def test_nothing_to_say() -> None:
    assert notes() == ""


def test_a_ratio_other_than_in_training_is_pointed_out() -> None:
    label = LabelReport(name="death", obtained={"0": 50, "1": 50}, training_shares={"0": 0.86, "1": 0.14})
    assert "label death is 1 in 50.0% of these stays, but in 14.0%" in notes(labels=[label])
    same = LabelReport(name="death", obtained={"0": 86, "1": 14}, training_shares={"0": 0.86, "1": 0.14})
    assert notes(labels=[same]) == ""
    none = LabelReport(name="death", obtained={"0": 0, "1": 0}, training_shares={"0": 0.86, "1": 0.14})
    assert notes(labels=[none]) == ""


def test_nothing_is_said_of_a_category_whose_training_share_is_not_told() -> None:
    obtained = {"SICU": 20, "MICU": 80}
    hidden = LabelReport(name="unit_type", obtained=obtained, training_shares={"SICU": 0.0, "MICU": 1.0})
    assert notes(labels=[hidden]) == ""
    nothing = LabelReport(name="unit_type", obtained=obtained, training_shares={"SICU": 0.0, "MICU": 0.0})
    assert notes(labels=[nothing]) == ""
    other = LabelReport(name="unit", obtained={"S": 50, "M": 40, "C": 10}, training_shares={"S": 0, "M": 0.3, "C": 0.7})
    assert "label unit is M in 40.0% of these stays, but in 30.0%" in notes(labels=[other])


def test_samples_small_cohorts_missing_datasets_and_filled_values_are_pointed_out() -> None:
    assert "a sample of 100 of the 5,000 stays" in notes(n_stays=5000)
    assert "smaller than the set of real stays" in notes(n_holdout=400)
    assert "not stored here" in notes(has_dataset=False)
    assert "were filled in" in notes(imputed=True)
