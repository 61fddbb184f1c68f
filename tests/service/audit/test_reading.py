"""Looking something up in a log: the newest first, and no hole that nobody is told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.audit.reading import Filter, Unreadable, entries, lines
from tests.service.audit.conftest import training


def test_the_newest_come_first(written: Path) -> None:
    assert [entry.number for entry in entries(written.parent, Filter())] == list(range(10, 0, -1))
    assert [entry.number for entry in entries(written.parent, Filter(before=4, action="job.train"))] == [3, 2]


@pytest.mark.parametrize("wanted", [Filter(), Filter(object="job/007")])
def test_a_line_that_somebody_has_changed_is_no_entry_but_is_told(written: Path, wanted: Filter) -> None:
    """Whatever is wanted: it may have been that one."""
    written.write_text(written.read_text().replace("job/005", "job/015"))
    assert [found for found in lines(written.parent, wanted) if isinstance(found, Unreadable)] == [
        Unreadable(written.name, 5)
    ]
    assert all(entry.number != 5 for entry in entries(written.parent, wanted))


def test_a_log_that_is_whole_has_no_such_line(written: Path) -> None:
    assert not any(isinstance(found, Unreadable) for found in lines(written.parent, Filter(object=training(3).object)))
