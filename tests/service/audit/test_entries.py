from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import pytest

from service.audit.entries import BadLine, Entry, Event, decode, encode, genesis

AT = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def entry(number: int = 1, previous: str = "0" * 64) -> Entry:
    return Entry(action="job.train", object="job/abc", caller="ann", number=number, at=AT, previous=previous)


def test_the_hash_is_that_of_the_line_without_it() -> None:
    line, digest = encode(entry())
    by_hand = (
        '{"action":"job.train","outcome":"granted","object":"job/abc","caller":"ann","key_id":null,"address":null,'
        f'"request_id":null,"details":{{}},"number":1,"at":"2026-03-01T12:00:00Z","previous":"{"0" * 64}"}}'
    )
    assert digest == hashlib.sha256(by_hand.encode()).hexdigest()
    assert line.decode() == by_hand[:-1] + f',"hash":"{digest}"}}\n'


def test_a_chain_by_hand() -> None:
    assert genesis("0123456789ab") == hashlib.sha256(b"cdmt-audit 0123456789ab").hexdigest()
    first, one = encode(entry(previous=genesis("0123456789ab")))
    second, two = encode(entry(number=2, previous=one))
    assert json.loads(second)["previous"] == json.loads(first)["hash"] == one
    assert decode(second[:-1]) == (entry(number=2, previous=one), two)


def test_every_flipped_bit_of_a_line_is_seen() -> None:
    line = encode(entry())[0][:-1]
    for place in range(len(line)):
        changed = bytearray(line)
        changed[place] ^= 1
        with pytest.raises(BadLine):
            decode(bytes(changed))


@pytest.mark.parametrize("line", [b"", b"{}", b"\x00" * 300, encode(entry())[0], b" " + encode(entry())[0][:-1]])
def test_what_is_no_entry(line: bytes) -> None:
    with pytest.raises(BadLine):
        decode(line)


def test_an_entry_of_an_unknown_form_is_none_though_its_hash_is_right() -> None:
    body = b'{"action":"something.else","previous":"' + b"0" * 64 + b'"}'
    digest = hashlib.sha256(body).hexdigest().encode()
    with pytest.raises(BadLine, match="known form"):
        decode(body[:-1] + b',"hash":"' + digest + b'"}')


def test_an_event_takes_no_unknown_action() -> None:
    with pytest.raises(ValueError, match="action"):
        Event.model_validate({"action": "job.steal"})
