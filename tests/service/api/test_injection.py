"""What a request says of itself goes into no header, line of the log, path or parser where it would mean something."""

from __future__ import annotations

import io
import json

import httpx
import pytest

from service.contracts.storage import ArtifactStore
from tests.service.api.test_bad_input import check_problem, nothing_is_left, raw
from tests.service.making import add_model, parquet, table

LINE_BREAK = "%0d%0aX-Evil:%201%0d%0a"


def test_a_line_break_in_a_query_stays_in_it(client: httpx.Client, store: ArtifactStore) -> None:
    add_model(store)
    add_model(store, "model-2")
    answer = client.get(f"/models?limit=1&x={LINE_BREAK}")
    assert 'rel="next"' in answer.headers["link"]
    assert "x-evil" not in answer.headers
    assert client.get(answer.headers["link"].partition(">")[0][1:]).json()["items"][0]["id"] == "model-1"


@pytest.mark.parametrize("where", [f"/jobs/{LINE_BREAK}", f"/jobs?status={LINE_BREAK}", f"/jobs?cursor={LINE_BREAK}"])
def test_a_line_break_in_a_path_stays_in_it(client: httpx.Client, log_lines: io.StringIO, where: str) -> None:
    answer = client.get(where)
    assert answer.status_code in (404, 422)
    assert "x-evil" not in answer.headers
    assert "\n" not in answer.json()["instance"]
    assert all(json.loads(line)["event"] for line in log_lines.getvalue().splitlines())


@pytest.mark.parametrize(
    "header", ["X-Request-ID: a\r\n X-Evil: 1", "X-Request-ID: a\rX-Evil: 1", "X-Request-ID: a\x00b", "X-Evil : 1"]
)
def test_headers_that_are_not_well_formed(client: httpx.Client, header: str) -> None:
    answer = raw(client, f"GET /livez HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n".encode())
    assert "x-evil" not in answer.partition("\r\n\r\n")[0].lower().replace("x-request-id", "")
    assert client.get("/livez").is_success


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: -1",
        "Content-Length: 5\r\nTransfer-Encoding: chunked, identity",
        "Transfer-Encoding: gzip",
    ],
)
def test_a_body_whose_end_is_a_matter_of_opinion(client: httpx.Client, head: str) -> None:
    """So nobody smuggles a second request past a proxy that is of another opinion."""
    request = f"POST /jobs/generate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{head}\r\n\r\n"
    assert raw(client, request.encode() + b"12345")[9:12] in ("400", "501")


@pytest.mark.parametrize("host", ["evil.org/jobs?", "localhost/../livez", "localhost#", "localhost\\@evil.org"])
def test_the_host_is_no_part_of_the_path(client: httpx.Client, host: str) -> None:
    assert check_problem(client.get("/nothing", headers={"Host": host}), 421)["instance"] == "/nothing"


@pytest.mark.parametrize(
    "name", ['a"; filename="evil.exe', "a\\\r\nX-Evil: 1", "../../etc/passwd", "x" * 3000, "\u202egpj"]
)
def test_the_name_of_a_file_is_a_name_at_most(client: httpx.Client, name: str) -> None:
    answer = client.post("/datasets", files={"file": (name, parquet(table()))})
    assert answer.status_code == 201, answer.text
    shown = answer.json()["name"]
    assert shown.isprintable()
    assert len(shown) <= 128
    assert "/" not in shown


DEEP = {depth: '{"a":' * depth + "1" + "}" * depth for depth in (50, 400, 20_000)}


@pytest.mark.parametrize("depth", DEEP)
@pytest.mark.parametrize("path", ["/jobs/generate", "/jobs/train", "/jobs/evaluate", "/keys"])
def test_json_that_is_nested_deeply(client: httpx.Client, depth: int, path: str) -> None:
    for body in (DEEP[depth], f'{{"label_ratios": {DEEP[depth]}, "dataset_id": {DEEP[depth]}, "name": {DEEP[depth]}}}'):
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 403, 422), answer.text[:200]
    assert client.get("/livez").is_success


@pytest.mark.parametrize("depth", DEEP)
def test_json_in_a_form_that_is_nested_deeply(client: httpx.Client, store: ArtifactStore, depth: int) -> None:
    file = {"file": ("t", b"PAR1")}
    schema = client.post("/datasets", files=file, data={"schema": f'{{"features": [{DEEP[depth]}]}}'})
    check_problem(schema, 422, "/schema")
    metrics = client.post("/jobs/evaluate", files=file, data={"dataset_id": "data-1", "metrics": f"[{DEEP[depth]}]"})
    check_problem(metrics, 422, "/metrics")
    assert nothing_is_left(client, store)


def form(*parts: bytes, end: bytes = b"--b--\r\n") -> bytes:
    """A form of parts, as they are."""
    return b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end


PART = b'Content-Disposition: form-data; name="schema"\r\n\r\n{}'
FORMS = {
    "thousands of parts": form(*[PART] * 5000),
    "a part with a huge header": form(b"X-Header: " + b"x" * 100_000 + b"\r\n\r\n{}"),
    "a part with many headers": form(b"X-Header: x\r\n" * 1000 + b"\r\n{}"),
    "no last boundary": form(PART, end=b""),
    "no boundary at all": b"x" * 100_000,
    "a part without a name": form(b"Content-Disposition: form-data\r\n\r\n{}"),
    "a name that is none": form(b'Content-Disposition: form-data; name="' + b"\xff\x00" * 50 + b'"\r\n\r\n{}'),
    "nothing": b"",
}


@pytest.mark.parametrize("what", FORMS)
@pytest.mark.parametrize("path", ["/datasets", "/models", "/jobs/evaluate"])
def test_forms_that_are_none(client: httpx.Client, store: ArtifactStore, path: str, what: str) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post(path, content=FORMS[what], headers=headers)
    assert answer.status_code in (400, 422)
    check_problem(answer, answer.status_code)
    assert nothing_is_left(client, store)


@pytest.mark.parametrize("boundary", ["", "x" * 1000, '"', "b;b", "\u00e4"])
def test_boundaries_that_are_none(client: httpx.Client, boundary: str) -> None:
    headers = {b"Content-Type": f"multipart/form-data; boundary={boundary}".encode()}
    answer = client.post("/datasets", content=FORMS["no last boundary"], headers=headers)
    assert answer.status_code in (400, 422), answer.text
