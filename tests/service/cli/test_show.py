from __future__ import annotations

import pytest

from service.cli.show import counts_table, out


def test_names_that_people_write_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    """An end without a beginning was an error, which whoever names a dataset could give to all who list them."""
    out.print(counts_table({"[/unit]": {"[red]MICU": 1, ":heart:": 1}}))
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("[/unit]", "[red]MICU", ":heart:"))
