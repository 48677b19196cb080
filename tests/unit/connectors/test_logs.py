"""A child's log rotates and loses no line, whoever is killed."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from connectors.errors import StackError
from connectors.local.folder import StackFolder
from connectors.local.logs import LogLimits, LogPipe, tail
from connectors.local.logwriter import RotatingFile
from connectors.local.supervisor import Supervisor
from connectors.local.units import State
from tests.stack import eventually
from tests.unit.connectors.supervised import Run, child, python

ALL = LogLimits(max_bytes=100_000, older_files=100)
AS_FAST_AS_IT_CAN = """
import os, sys
told = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
n = 0
while True:
    for n in range(n, n + 1000):
        os.write(1, b"line %07d\\n" % n)
    n += 1
    os.pwrite(told, b"%07d" % n, 0)
"""
WHEN_ASKED = """
import signal, sys, time
n = 0
def say(*_):
    global n
    print(f"line {n:07d}", flush=True)
    n += 1
signal.signal(signal.SIGUSR1, say)
say()
while True: time.sleep(60)
"""


def _files(log: Path) -> list[Path]:
    """The log's files, oldest first."""
    older = sorted(log.parent.glob(f"{log.name}.*"), key=lambda file: -int(file.suffix[1:]))
    return [*older, log]


def _numbers(log: Path) -> list[int]:
    text = b"".join(file.read_bytes() for file in _files(log))
    return [int(line.split()[1]) for line in text.split(b"\n")[:-1]]


def _reads_no_more(writer: psutil.Process) -> bool:
    try:
        return writer.status() in {psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED}
    except psutil.NoSuchProcess:
        return True


def test_log_of_a_child_that_is_killed_while_it_writes_has_every_line(tmp_path: Path) -> None:
    log, told = tmp_path / "child.log", tmp_path / "told"
    pipe = LogPipe(log, ALL, dict(os.environ))
    writing = pipe.open()
    process = subprocess.Popen([*python(AS_FAST_AS_IT_CAN), str(told)], stdout=writing)
    os.close(writing)
    eventually((tmp_path / "child.log.5").exists)

    process.kill()
    process.wait()
    pipe.close()

    numbers = _numbers(log)
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= int(told.read_bytes())
    assert max(file.stat().st_size for file in _files(log)) <= ALL.max_bytes + len("line 0000000\n")


def test_log_keeps_no_more_files_than_it_may(tmp_path: Path) -> None:
    log = RotatingFile(tmp_path / "child.log", max_bytes=100, older_files=2)

    for n in range(100):
        log.write(b"line %07d\n" % n)

    assert {file.name for file in tmp_path.iterdir()} == {"child.log", "child.log.1", "child.log.2"}
    assert _numbers(tmp_path / "child.log")[-1] == 99


def test_line_without_an_end_is_split_and_none_of_it_lost(tmp_path: Path) -> None:
    log = RotatingFile(tmp_path / "child.log", max_bytes=100, older_files=100)

    for _ in range(100):
        log.write(b"x" * 33)

    files = _files(tmp_path / "child.log")
    assert b"".join(file.read_bytes() for file in files) == b"x" * 3300
    assert max(file.stat().st_size for file in files) <= 233


def test_log_that_somebody_removed_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "child.log"
    log = RotatingFile(path, max_bytes=100, older_files=2)
    log.write(b"before\n")
    path.unlink()

    log.write(b"after\n")

    assert path.read_bytes() == b"after\n"


def test_log_on_a_full_disk_says_what_is_missing_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "child.log"
    log = RotatingFile(path, max_bytes=10_000, older_files=2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        # The system refuses what lies beyond, as a disk without room does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
        log.write(b"a" * 80 + b"\n")
        log.write(b"b" * 80 + b"\n")
        log.write(b"c" * 80 + b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    log.write(b"d\n")

    assert path.read_bytes() == b"a" * 80 + b"\n" + b"b" * 19 + b"[143 bytes of this log could not be written]\nd\n"


def test_writer_that_is_killed_is_replaced_and_the_child_goes_on(run: Callable[..., Run]) -> None:
    server = child("server", command=python(WHEN_ASKED))
    supervised = run(server)
    supervised.up()
    log = supervised.logs / "server.log"
    assert server.pid is not None
    for expected in range(1, 4):
        eventually(lambda expected=expected: _numbers(log) == list(range(expected)))
        (writer,) = [one for one in psutil.Process().children() if str(log) in one.cmdline()]
        writer.send_signal(signal.SIGSTOP if expected == 2 else signal.SIGKILL)
        eventually(lambda writer=writer: _reads_no_more(writer), interval=0.01)

        # Printed while nobody reads.
        os.kill(server.pid, signal.SIGUSR1)

    eventually(lambda: _numbers(log) == list(range(4)))
    assert (server.restarts, server.state) == (0, State.RUNNING)


def test_log_goes_on_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    log, told = tmp_path / "child.log", tmp_path / "told"
    program = textwrap.dedent(f"""
        import os, subprocess, time
        from pathlib import Path
        from connectors.local.logs import LogLimits, LogPipe
        writing = LogPipe(Path({str(log)!r}), LogLimits({ALL.max_bytes}, {ALL.older_files})).open()
        started = subprocess.Popen({[*python(AS_FAST_AS_IT_CAN), str(told)]!r}, stdout=writing, start_new_session=True)
        print(started.pid, flush=True)
        time.sleep(60)
    """)
    supervisor = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    printer = psutil.Process(int(supervisor.stdout.readline()))
    try:
        eventually(log.exists)
        supervisor.kill()
        supervisor.wait()
        files = len(_files(log))
        eventually(lambda: len(_files(log)) > files + 2)
    finally:
        printer.kill()
        supervisor.stdout.close()

    eventually(lambda: len(_numbers(log)) >= int(told.read_bytes()))
    numbers = _numbers(log)
    assert numbers == list(range(len(numbers)))


def test_last_words_of_a_command_that_fails_stand_in_the_error(folder: StackFolder) -> None:
    chatty = child(
        "upgrade", command=python("for n in range(50_000): print(n)\nraise SystemExit('no such table')"), once=True
    )

    with pytest.raises(StackError, match="no such table"):
        Supervisor([chatty], folder, lambda _units, _up: None).run(threading.Event())


def test_tail_of_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log", 12) == ""


def test_writer_costs_little_and_ends_with_its_child(run: Callable[..., Run]) -> None:
    server = child("server")
    supervised = run(server)
    supervised.up()
    (writer,) = [one for one in psutil.Process().children() if str(supervised.logs / "server.log") in one.cmdline()]
    # It has imported what it needs once it waits for the pipe.
    eventually(lambda: writer.status() == psutil.STATUS_SLEEPING)

    assert writer.memory_info().rss < 20_000_000

    supervised.stop()
    deadline = time.monotonic() + 5
    while writer.is_running() and writer.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
