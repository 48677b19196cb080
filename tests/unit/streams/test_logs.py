"""Lines of every process: for a person or as JSON, with their fields, on lines of their own, and without what is secret."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import faust
import pytest

from connectors.local.folder import StackFolder
from connectors.local.own_process import supervisor_log
from connectors.settings import LocalSettings
from streams.logs import Repetitions, formatter
from streams.settings import LogSettings, MetricsSettings, StreamSettings
from streams.worker import app

AT = 1_800_000_000.123


def record(message: str, *arguments: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("streams.worker", logging.WARNING, "worker.py", 1, message, arguments, None)
    made.created = AT
    made.__dict__.update(fields)
    return made


def failed(secret: str) -> logging.LogRecord:
    """A record of an error below a frame that holds a secret."""
    try:
        held = secret
        raise ValueError(f"not {len(held)}")
    except ValueError:
        made = record("failed")
        made.exc_info = sys.exc_info()
        return made


def told(made: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(formatter("json").format(made))
    return found


def test_person_reads_time_level_text_logger_and_fields() -> None:
    line = formatter("text").format(record("Trying %s in %.1f s", "again", 0.5, tries=3, reason="is away"))

    assert line == (
        "2027-01-15T08:00:00.123+00:00 [warning  ] Trying again in 0.5 s [streams.worker] tries=3 reason='is away'"
    )


def test_program_reads_one_object_a_line_with_the_same_first_names() -> None:
    line = formatter("json").format(record("two\nlines", tries=3))

    assert "\n" not in line
    assert list(json.loads(line).items()) == [
        ("at", "2027-01-15T08:00:00.123+00:00"),
        ("level", "warning"),
        ("logger", "streams.worker"),
        ("message", "two\nlines"),
        ("tries", 3),
    ]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_error_is_told_with_its_trace_and_without_variables(log_format: Any) -> None:
    line = formatter(log_format).format(failed("hunter2"))

    assert "ValueError: not 7" in line
    assert "Traceback" in line
    assert "hunter2" not in line.replace('raise ValueError(f"not', "")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_password_in_an_address_or_under_a_name_of_its_own_is_masked(log_format: Any) -> None:
    made = record(
        'missing "=" after "postgresql://rewards_app:hunter2@127.0.0.1:5/x"',
        url="mysql://root:hunter2@there/",
        session_secret="hunter2",
        mail="joe@wasatch.example",
    )

    line = formatter(log_format).format(made)

    assert "hunter2" not in line
    assert "postgresql://rewards_app:***@127.0.0.1:5/x" in line.replace("\\", "")
    assert "joe@wasatch.example" in line


def test_text_of_others_begins_no_line_of_ours_and_steers_no_terminal() -> None:
    line = formatter("text").format(record("bad row\n2027-01-15 [critical ] all is lost\x1b[2J", value="a\r\nb"))

    assert all(part.startswith("  ") for part in line.splitlines()[1:])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", line)


@pytest.mark.parametrize("value", ["half of an emoji: \ud83c", 2**80, {1: b"\xff"}, object()])
def test_whatever_a_field_holds_the_line_is_written(value: object) -> None:
    assert told(record("text", value=value))["message"] == "text"


def test_worker_leaves_logging_as_it_was_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[faust.Worker] = []

    def execute(worker: faust.Worker) -> None:
        ran.append(worker)

    monkeypatch.setattr(faust.Worker, "execute_from_commandline", execute)
    monkeypatch.setattr(app, "_share_memory", lambda: None)
    # Importing it would give every later test of this process another event loop.
    monkeypatch.setitem(sys.modules, "mode.loop.uvloop", ModuleType("uvloop"))

    settings = StreamSettings(database_url="postgresql://there/x", kafka_bootstrap="127.0.0.1:1")
    app.run_worker(settings, MetricsSettings())

    assert not ran[0].override_logging


def test_supervisor_writes_its_log_in_the_same_format(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    folder.create()

    with supervisor_log(folder, LocalSettings(), formatter("json")):
        logging.getLogger("connectors.local.supervisor").info("%s is %s", "worker", "running")

    lines = [json.loads(line) for line in (folder.logs / "supervisor.log").read_text().splitlines()]
    assert [line["message"] for line in lines] == ["supervisor starts", "worker is running"]
    assert {"at", "level", "logger", "message"} <= lines[0].keys()


def test_format_and_level_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REWARDS_LOG_FORMAT", "json")
    monkeypatch.setenv("REWARDS_LOG_LEVEL", "ERROR")

    assert (LogSettings().log_format, LogSettings().log_level) == ("json", "ERROR")


@pytest.mark.parametrize(("name", "value"), [("REWARDS_LOG_LEVEL", "LOUD"), ("REWARDS_LOG_FORMAT", "xml")])
def test_level_or_format_that_is_none_is_one_sentence(name: str, value: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "lag", "--once"],
        capture_output=True, text=True, check=False, env=os.environ | {name: value},
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: settings: {name} (Input should be '")
    assert done.stderr.count("\n") == 1


def test_level_that_is_none_is_refused_as_wrong_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "worker", "--log-level", "loud"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "is not one of 'debug'" in done.stderr


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_warning_of_a_commands_library_is_a_line_like_every_other(log_format: str) -> None:
    logs = "import logging; logging.getLogger('kafka').warning('x %s', 'y'); logging.getLogger('kafka').info('z')"
    done = subprocess.run(
        [sys.executable, "-c", f"import cli; cli._log_late(); {logs}"],
        capture_output=True, text=True, check=True, env=os.environ | {"REWARDS_LOG_FORMAT": log_format},
    )  # fmt: skip

    (line,) = done.stderr.splitlines()
    assert line.endswith("[warning  ] x y [kafka]" if log_format == "text" else '"logger":"kafka","message":"x y"}')


def _client_line(text: str, at: float, name: str = "aiokafka.client") -> logging.LogRecord:
    record = logging.LogRecord(name, logging.ERROR, __file__, 1, text, (), None)
    record.created = at
    return record


def test_line_that_a_kafka_client_repeats_is_written_once_in_a_while_and_says_how_often_it_came() -> None:
    repetitions = Repetitions()
    lines = [_client_line("Unable connect to node", at) for at in (0.0, 0.1, 29.9, 30.0, 30.1)]

    assert [repetitions.filter(line) for line in lines] == [True, False, False, True, False]
    assert "repeated" not in lines[0].__dict__
    assert lines[3].__dict__["repeated"] == 2


def test_other_lines_of_a_client_and_all_of_ours_are_written() -> None:
    repetitions = Repetitions()

    assert all(repetitions.filter(_client_line(text, 0.0)) for text in ("one", "two"))
    assert all(repetitions.filter(_client_line("ours", 0.0, "streams.worker")) for _ in range(3))
