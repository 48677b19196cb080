"""docker/health.py: when it calls a worker and the lag process ill."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from types import ModuleType

import pytest

from connectors.settings import PROJECT

FILE = PROJECT / "docker" / "health.py"
HERE, THERE = "172.18.0.5", "172.18.0.6"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("health", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


health = _load()


def place(
    number: int = 0, committed: int | None = 10, lag: int = 0, address: str | None = HERE, age: float = 1
) -> object:
    member = f"faust-1@{address}#0a1b2c3d" if address else None
    return health.Place(f"warehouse.public.invoice_transactions {number}", committed, lag, member, age)


def test_worker_that_commits_is_well() -> None:
    before = {"warehouse.public.invoice_transactions 0": 10}

    assert health.illness_of_worker([place(committed=11, lag=5)], HERE, before) is None


def test_worker_with_nothing_to_do_is_well() -> None:
    before = {"warehouse.public.invoice_transactions 0": 10}

    assert health.illness_of_worker([place(committed=10, lag=0)], HERE, before) is None


def test_worker_that_is_looked_at_for_the_first_time_is_well() -> None:
    assert health.illness_of_worker([place(lag=5)], HERE, {}) is None


@pytest.mark.parametrize("committed", [10, None])
def test_worker_that_stands_still_while_records_wait_is_ill(committed: int | None) -> None:
    before = {"warehouse.public.invoice_transactions 0": committed}

    illness = health.illness_of_worker([place(committed=committed, lag=5)], HERE, before)
    assert illness is not None
    assert "warehouse.public.invoice_transactions 0 (5 records)" in illness


def test_another_worker_that_stands_still_is_its_own_affair() -> None:
    before = {f"warehouse.public.invoice_transactions {number}": 10 for number in (0, 1)}

    places = [place(0, committed=11, lag=5), place(1, committed=10, lag=5, address=THERE)]
    assert health.illness_of_worker(places, HERE, before) is None
    assert health.illness_of_worker(places, THERE, before) is not None


def test_worker_that_reads_nothing_is_ill_where_partitions_are_unread() -> None:
    assert health.illness_of_worker([place(address=None)], HERE, {}) is not None


def test_spare_worker_is_well() -> None:
    assert health.illness_of_worker([place(address=THERE)], HERE, {}) is None


def test_worker_is_not_called_well_where_nothing_is_measured() -> None:
    for places in ([], [place(age=60)]):
        illness = health.illness_of_worker(places, HERE, {})
        assert illness is not None
        assert "cannot be told" in illness


def test_lag_process_is_well_while_every_partition_is_measured() -> None:
    assert health.illness_of_lag([place(0), place(1)]) is None
    assert health.illness_of_lag([place(0), place(1, age=20)]) == "the last measurement is 20 s old"
    assert health.illness_of_lag([]) is not None


@pytest.mark.parametrize("arguments", [[], ["kafka"], ["worker", "lag"]])
def test_unknown_check_is_wrong_usage(arguments: list[str]) -> None:
    done = subprocess.run([sys.executable, FILE, *arguments], capture_output=True, text=True, check=False, cwd=PROJECT)

    assert done.returncode == 1
    assert "usage: rewards-health worker|lag|web" in done.stderr


def test_worker_with_a_halted_partition_says_so_and_how_to_see_why() -> None:
    halted = place(committed=10, lag=5)._replace(halted_reason="10 rows in a row cannot be used")  # type: ignore[attr-defined]

    illness = health.illness_of_worker([halted], HERE, {})
    assert illness is not None
    assert "10 rows in a row cannot be used (rewards dead-letters list)" in illness
