from model.evaluation.page.score_tables import sections
from model.spec.report import Score
from tests.model.evaluation.page.building import built_report, score


def test_each_score_stands_in_one_table() -> None:
    report = built_report()
    found: list[Score] = []
    for section in sections(report).values():
        tables = [*section.compact, *([section.classifiers] if section.classifiers else [])]
        found += section.rows
        found += [cell for table in tables for row in table.rows for cell in row.cells if cell]
    assert sorted(one.key for one in found) == sorted(one.key for one in report.scores)


def test_classifiers_are_columns_and_what_is_learned_from_rows() -> None:
    table = sections(built_report())["usefulness"].classifiers
    assert table is not None
    assert table.columns == ("BiLSTM", "Transformer", "CNN-LSTM")
    assert [row.about.partition(" (")[0] for row in table.rows][:2] == ["Learned from synthetic", "Learned from real"]
    assert [cell.value for cell in table.rows[0].cells if cell] == [0.741, 0.733, 0.738]


def test_a_table_says_on_how_many_stays_its_figures_rest() -> None:
    scores = (
        score("dcr_share", 0.5, feature="sbp", sample="100 stays"),
        score("membership_auc", 0.5, feature="sbp", sample="100 stays"),
        score("dcr_share", 0.5, feature="dbp"),
    )
    table = sections(built_report().model_copy(update={"scores": scores}))["privacy"].compact[0]
    assert table.samples == ("sbp: 100 stays",)


def test_what_was_not_measured_is_an_empty_cell_and_reasons_are_said_once() -> None:
    scores = (
        score("dcr_share", 0.5, feature="sbp"),
        score("dcr_share", None, feature="dbp", status="not_available", reason="too few stays"),
        score("membership_auc", None, feature="dbp", status="not_available", reason="too few stays"),
    )
    table = sections(built_report().model_copy(update={"scores": scores}))["privacy"].compact[0]
    assert [row.about for row in table.rows] == ["sbp", "dbp"]
    assert table.rows[0].cells[1] is None
    assert table.reasons == ("No figure for dbp: too few stays.",)
