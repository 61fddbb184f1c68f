from __future__ import annotations

from pathlib import Path

import pytest

from service.contracts import appending
from service.contracts.jobs import PrivacyOverride, now


def override(reason: str) -> PrivacyOverride:
    return PrivacyOverride(at=now(), caller="admin", request_id="r", reason=reason)


def test_lines_are_read_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    assert appending.read(path, PrivacyOverride) == ()
    lines = tuple(override(reason) for reason in ("first", "second\nline", "ünïcode"))
    for line in lines:
        appending.append(path, line)
    assert appending.read(path, PrivacyOverride) == lines
    assert path.stat().st_mode & 0o077 == 0


def test_a_line_that_a_crash_cut_off_spoils_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lines"
    appending.append(path, override("first"))
    with path.open("ab") as file:
        file.write(b'{"at": "2026')
    appending.append(path, override("third"))
    assert [line.reason for line in appending.read(path, PrivacyOverride)] == ["first", "third"]
    assert "not whole" in caplog.text
