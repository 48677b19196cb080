from __future__ import annotations

import json
import socket
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from api.core.encryption import FieldCipher
from connectors.errors import StackError, StackNotRunningError
from connectors.local.folder import HOST, LISTENERS, StackFolder


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    made = StackFolder(tmp_path / "stack")
    made.create()
    return made


def test_ports_are_free_and_different(folder: StackFolder) -> None:
    ports = folder.ports()

    assert set(ports) == set(LISTENERS)
    assert len(set(ports.values())) == len(LISTENERS)


def test_ports_of_the_last_run_are_kept_where_they_are_free(folder: StackFolder) -> None:
    last = folder.ports()
    folder.save({"ports": last})

    with socket.socket() as taken:
        taken.bind((HOST, last["web"]))
        taken.listen()
        now = folder.ports()

    assert now["web"] != last["web"]
    assert {name: port for name, port in now.items() if name != "web"} == {
        name: port for name, port in last.items() if name != "web"
    }


def test_secrets_are_made_once_and_closed_to_others(folder: StackFolder) -> None:
    first = folder.secrets()

    assert folder.secrets() == first
    assert (folder.path / "secrets.json").stat().st_mode & 0o777 == 0o600
    assert len(set(first.passwords.values())) == len(first.passwords)


def test_cluster_id_never_begins_like_an_option(folder: StackFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    made = iter(["-0oBNUSdBwznxiykN2oKtA", "-", "4L6g3nShT-eMCtK--X86sw"])
    monkeypatch.setattr("secrets.token_urlsafe", lambda size: next(made) if size == 16 else "x")

    assert folder.secrets().kafka_cluster_id == "4L6g3nShT-eMCtK--X86sw"


def test_secrets_of_an_older_version_get_a_key_that_stays(folder: StackFolder) -> None:
    file = folder.path / "secrets.json"
    made = folder.secrets()
    old = {name: value for name, value in json.loads(file.read_text()).items() if name != "field_keys"}
    file.write_text(json.dumps(old))

    completed = folder.secrets()

    assert completed.field_keys != made.field_keys
    assert folder.secrets() == completed
    assert {name: value for name, value in asdict(completed).items() if name != "field_keys"} == old
    assert file.stat().st_mode & 0o777 == 0o600


def test_processes_that_complete_the_secrets_at_once_agree(folder: StackFolder) -> None:
    made: set[str] = set()
    start = threading.Barrier(8)

    def complete() -> None:
        start.wait()
        made.add(StackFolder(folder.path).secrets().field_keys)

    threads = [threading.Thread(target=complete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert made == {folder.secrets().field_keys}


def test_environment_holds_keys_that_can_be_used(folder: StackFolder) -> None:
    folder.save({"warehouse": "", "rewards": "", "kafka": "", "connect": "", "timezone": "", "ports": {"web": 1}})

    keys = folder.environment()["REWARDS_FIELD_KEYS"]

    assert keys == folder.secrets().field_keys
    FieldCipher.from_setting(keys)


def test_lock_lets_in_one_supervisor(folder: StackFolder) -> None:
    assert not folder.supervised()
    with folder.locked():
        assert folder.supervised()
        with pytest.raises(StackError, match="running"), folder.locked():
            pass
    assert not folder.supervised()


def test_environment_of_a_folder_without_a_stack_says_how_to_start_one(folder: StackFolder) -> None:
    with pytest.raises(StackNotRunningError, match="rewards up"):
        folder.environment()
