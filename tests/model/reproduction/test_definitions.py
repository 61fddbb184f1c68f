import pytest

from model.reproduction.arms import DEFAULT, all_arms
from model.reproduction.definitions import NAMES, PAPER_TABLES, TABLES, parse_names, tables_named
from model.reproduction.plan import Plan, make_plan
from model.spec.errors import CDMTError
from tests.model.reproduction.making import LABEL


@pytest.mark.parametrize("gpu", [False, True])
def test_every_arm_of_a_table_is_defined(gpu: bool) -> None:
    arms = all_arms(Plan(), gpu=gpu, label=LABEL)
    assert {key for table in TABLES for key in table.arms} <= set(arms)
    assert all(arm.key == key for key, arm in arms.items())
    assert tuple(table.name for table in TABLES) == NAMES


def test_arms_that_only_draw_otherwise_share_a_training() -> None:
    arms = all_arms(Plan(), gpu=False, label=LABEL)
    keys = {key: arms[key].generator.training_key for key in (DEFAULT, "ours-bal", "2m-50", "hidden-128", "paper-comb")}
    assert keys[DEFAULT] == keys["ours-bal"] == keys["2m-50"]
    assert len(set(keys.values())) == 3


def test_the_plan_limits_every_training() -> None:
    quick = make_plan(quick=True, seeds=None, minutes=None, steps=7, n_stays=None)
    for arm in all_arms(quick, gpu=False, label=LABEL).values():
        assert "max_minutes=2.5" in arm.generator.training_key
        assert "max_steps=7," in arm.generator.training_key


def test_the_papers_settings() -> None:
    paper = all_arms(Plan(), gpu=True, label=LABEL)["paper-comb"].generator.training_key
    assert "batch_size=4096, learning_rate=0.001, learning_rate_schedule='constant'" in paper
    assert "max_steps=48000" in paper


def test_names_of_tables() -> None:
    assert parse_names("4-6, ablation,2", quick=True) == ("2", "4", "5", "6", "ablation")
    assert parse_names(None, quick=True) == PAPER_TABLES
    assert parse_names(None, quick=False) == NAMES
    assert [table.name for table in tables_named(("7", "2"))] == ["2", "7"]


@pytest.mark.parametrize("text", ["1", "2-9", "6-4", "", "tables", "2-99999999999"])
def test_a_table_that_does_not_exist(text: str) -> None:
    with pytest.raises(CDMTError, match="there are: 2, 3"):
        parse_names(text, quick=False)
