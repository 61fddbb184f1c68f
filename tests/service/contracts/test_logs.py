from __future__ import annotations

import io
import json
import logging

import pytest
import structlog


def test_every_line_is_an_object_with_what_is_bound(log_lines: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        structlog.get_logger("service.ours").info("hello", n=1)
        logging.getLogger("theirs").warning("watch %s", "out")
    structlog.get_logger("service.ours").debug("too quiet")
    logging.getLogger("theirs").info("the distance of %s is 187.5", "a stay")
    ours, theirs = (json.loads(line) for line in log_lines.getvalue().splitlines())
    assert (ours["event"], ours["n"], ours["request_id"], ours["level"]) == ("hello", 1, "r-1", "info")
    assert (theirs["event"], theirs["logger"], theirs["request_id"]) == ("watch out", "theirs", "r-1")


@pytest.mark.parametrize("logger", [structlog.get_logger("ours"), logging.getLogger("theirs")])
def test_an_exception_is_told_without_its_message(log_lines: io.StringIO, logger: logging.Logger) -> None:
    try:
        try:
            float("heart rate 187.5")
        except ValueError as error:
            raise RuntimeError("row 187.5") from error
    except RuntimeError:
        logger.exception("failed")
    line = json.loads(log_lines.getvalue())
    assert line["exception"] == "RuntimeError"
    assert "ValueError" not in line["exception"]
    assert any("test_logs.py" in frame for frame in line["frames"])
    assert "187.5" not in log_lines.getvalue()
