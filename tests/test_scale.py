"""Many connections, in small: the measurements of `loadtest.scale` with numbers that CI has time for."""

import re

import pytest

from loadtest import scale
from loadtest.servers import running


@pytest.fixture(autouse=True)
def _uncovered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the server, not the coverage that measures it."""
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def test_an_idle_connection_costs_less_than_8_kib() -> None:
    with running("reactor", "--no-access-log") as (server, port):
        found, is_good = scale.idle(server, port, 1000, seconds=0.2)
    assert is_good, found


def test_trickling_connections_are_gone_by_their_deadline_and_hold_nobody_up() -> None:
    with running("reactor", "--no-access-log", "--timeout-header", "2s", "--timeout-linger", "1s") as (server, port):
        found, is_good = scale.trickle(server, port, 200, timeout=2.0)
    assert is_good, found
    median = re.match(r"[\d.]+", found["median latency beside them"])
    assert median is not None
    assert float(median[0]) < 50, found


def test_connections_of_all_sorts_leave_nothing_behind() -> None:
    flags = scale.COMMANDS["churn"][2]
    with running("reactor", "--no-access-log", *flags) as (server, port):
        found, is_good = scale.churn(server, port, 3000)
    assert is_good, found
