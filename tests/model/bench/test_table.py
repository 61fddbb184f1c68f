from model.bench.table import number, table
from tests.model.bench.making import bench


def test_a_way_to_draw_has_one_line_and_its_figures_stand_under_their_heads() -> None:
    lines = table(bench({"a_vs_b": 30.0})).splitlines()
    (head,) = (line for line in lines if "s / 1,000 stays" in line)
    (drawn,) = (line for line in lines if line.startswith("guided, 2M-20"))
    assert drawn.split("  ")[0] == "guided, 2M-20"
    assert drawn.split()[2:] == ["2", "1", "..", "4", "500", "41.8", "from", "9"]
    assert drawn.index("41.8") + len("41.8") == head.index("s / 20,920") + len("s / 20,920")


def test_machine_threads_load_engine_ratios_and_failures_are_told() -> None:
    text = table(bench({"a_vs_b": 30.0}))
    for words in (
        "An Old One, 2 cores; GPU: none", "avx2", "cpu, 1 thread;", "torch 2.13.0", "bundled: planted",
        "0.5 before, 1.5 after", "medians of 5 runs", "reading the model (s)", "failed: evaluation: OSError: no disk",
    ):  # fmt: skip
        assert words in text
    (ratio,) = (line for line in text.splitlines() if line.startswith("a_vs_b"))
    assert ratio.split() == ["a_vs_b", "30", "29", "..", "31"]


def test_numbers_have_three_digits_that_count() -> None:
    assert [number(value) for value in (12345.6, 99.96, 3.14159, 0.0123, 0.0000123)] == [
        "12,346", "100", "3.14", "0.0123", "0.000012",
    ]  # fmt: skip


def test_a_block_without_lines_has_no_head() -> None:
    assert "cost of the one over cost of the other" in table(bench({"a_vs_b": 30.0}))
    assert "cost of the one over cost of the other" not in table(bench({}))
