from __future__ import annotations

import io
import sys

import pytest

from cdmt_client.display import EVERY_SECONDS, NotebookBar, TerminalLine, shown


def test_a_terminal_has_one_line_per_step() -> None:
    stream = io.StringIO()
    line = TerminalLine(stream)
    for value in range(1001):
        line("uploading", value, 1000)
    line("downloading", 10, 0)
    line.close()
    uploading, downloading, end = stream.getvalue().split("\n")
    assert uploading.split("\r")[1].startswith("uploading: [" + "." * 30 + "]   0%")
    assert "#" * 30 + "] 100%" in uploading.split("\r")[-1]
    assert uploading.count("\r") < 1000 * EVERY_SECONDS
    assert ("downloading" in downloading, end) == (True, "")


def test_a_notebook_has_one_output_that_changes() -> None:
    shows: list[str] = []

    class Handle:
        def update(self, bar: NotebookBar) -> None:
            shows.append(bar._repr_html_())

    def display(bar: NotebookBar, *, display_id: bool) -> Handle:
        assert display_id
        shows.append(bar._repr_html_())
        return Handle()

    bar = NotebookBar(display)
    bar("sampling", 1, 4)
    bar("sampling", 4, 4)
    assert ["width:25.0%" in shows[0], "width:100.0%" in shows[1]] == [True, True]


def test_where_nobody_looks_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for progress in (True, False):
        with shown(progress) as told:
            told("sampling", 1, 2)
    assert capsys.readouterr() == ("", "")
    assert "IPython" not in sys.modules
    calls: list[tuple[str, int, int]] = []
    with shown(lambda *now: calls.append(now)) as told:
        told("sampling", 1, 2)
    assert calls == [("sampling", 1, 2)]
