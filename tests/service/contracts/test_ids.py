from __future__ import annotations

import time
import uuid

import pytest

from service.contracts.ids import is_id, new_id


def test_new_id_is_a_uuid_of_version_7_that_sorts_by_time() -> None:
    first = new_id()
    time.sleep(0.002)
    second = new_id()
    assert uuid.UUID(first).version == 7
    assert uuid.UUID(first).variant == uuid.RFC_4122
    assert first < second
    assert is_id(first)


def test_the_time_is_in_the_first_48_bits() -> None:
    milliseconds = uuid.UUID(new_id()).int >> 80
    assert abs(milliseconds / 1000 - time.time()) < 5


@pytest.mark.parametrize("text", ["challenge2012-v1", "0abc"])
def test_readable_ids_are_ids(text: str) -> None:
    assert is_id(text)


@pytest.mark.parametrize(
    "text", ["", "..", "../x", "a/b", "a.b", "ab", "-abc", "ABC", "abc\n", "a" * 65, "ä-bc", "a bc"]
)
def test_what_could_leave_its_folder_is_no_id(text: str) -> None:
    assert not is_id(text)
