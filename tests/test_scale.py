"""Many connections, in small: the measurements of `loadtest.scale` with numbers that CI has time for."""

import re
import time
import xml.etree.ElementTree as ElementTree

import pytest

from loadtest.scale import MIB, TARGET, descriptors, plot, transfer
from loadtest.scale.__main__ import main, size
from loadtest.scale.active import Load, Server, table, visit
from loadtest.scale.connections import CHURN_FLAGS, churn, idle, trickle
from loadtest.scale.holder import holding
from loadtest.servers import get, running
from loadtest.versus_floor import Visit

from .conftest import need


@pytest.fixture(autouse=True)
def _uncovered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the server, not the coverage that measures it."""
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)


def test_an_idle_connection_costs_less_than_8_kib() -> None:
    with running("reactor", "--no-access-log") as (server, port):
        found, is_good = idle(server, port, 1000, seconds=0.2)
    assert is_good, found


def test_trickling_connections_are_gone_by_their_deadline_and_hold_nobody_up() -> None:
    with running("reactor", "--no-access-log", "--timeout-header", "2s", "--timeout-linger", "1s") as (server, port):
        found, is_good = trickle(server, port, 200, timeout=2.0)
    assert is_good, found
    median = re.match(r"[\d.]+", found["median latency beside them"])
    assert median is not None
    assert float(median[0]) < 50, found


def test_connections_of_all_sorts_leave_nothing_behind() -> None:
    with running("reactor", "--no-access-log", *CHURN_FLAGS) as (server, port):
        found, is_good = churn(server, port, 3000)
    assert is_good, found


def test_idle_connections_are_held_in_a_process_of_their_own_while_others_are_served() -> None:
    with running("reactor", TARGET, "--no-access-log") as (server, port):
        counted = Server(server.pid, port, descriptors(server.pid))
        with holding(port, 200):
            assert counted.served() == 200, "each is served once"
            assert descriptors(server.pid) >= 200


def test_active_connections_are_counted_while_all_are_open() -> None:
    need("wrk")
    with running("reactor", TARGET, "--no-access-log") as (server, port):
        get(port, "/test")
        time.sleep(0.5)  # until the connections that asked whether it is there have gone
        found = visit(Server(server.pid, port, descriptors(server.pid)), 200, seconds=0.3)
    assert found.rate > 0
    assert found.p50 <= found.p99


def test_what_many_connections_cost_as_a_table_and_as_a_curve() -> None:
    found = {Load(1, 0): Visit(1e4, 40.0, 90.0, 2e3), Load(5000, 0): Visit(6e4, 16.0, 8e4, 3e5),
             Load(1000, 20_000): Visit(6e4, 15.0, 1e4, 5e4)}  # fmt: skip
    assert table(found).splitlines()[3] == "| 5,000 | 0 | 60,000 | 16.0 | 1.07 | 80.00 | 300.00 |"
    assert "20,000 idle ones" in plot.plot_active(found)
    ElementTree.fromstring(plot.stack([plot.plot_active(found)]))


def test_a_large_body_takes_no_memory_in_either_direction() -> None:
    found = transfer.transfer(64 * MIB)
    assert transfer.is_constant(found), transfer.table(found)
    assert set(found) == set(transfer.KINDS)
    ElementTree.fromstring(plot.stack([plot.plot_transfer(found)]))


def test_a_transfer_that_took_memory_is_told() -> None:
    grown = transfer.Transfer(64 * MIB, 1.0, transfer.GROWTH_LIMIT + 1, [(0.05, 11 * MIB)])
    assert not transfer.is_constant({"upload": grown})
    assert transfer.table({"upload": grown}).splitlines()[2] == "| upload | 64 | 64 | +10.0 MiB |"


@pytest.mark.parametrize(("text", "expected"), [("1GiB", 1 << 30), ("64MiB", 64 << 20), ("3KiB", 3072)])
def test_a_size(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("arguments", [["transfer", "--size", "64"], ["idle", "--svg", "x.svg"], ["nothing"], []])
def test_what_cannot_be_measured_is_said(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["scale", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "error: " in capsys.readouterr().err
