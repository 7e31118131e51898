"""A full house: no descriptors left, or a limit reached. Nothing spins, nobody is lost, and room goes to who waits."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from loadtest.attacks.bystander import Bystanders
from loadtest.attacks.target import HANG
from loadtest.scale import cpu_seconds

from .siege import QUIET, SHORT, under_siege

pytestmark = pytest.mark.attack

CLIENTS = 500


@contextmanager
def descriptors_limited_to(count: int) -> Iterator[None]:
    """For whatever is started within; our own descriptors stay, and the old limit comes back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Where accepting fails, room is looked for once a second: 50 clients or so are served, the others wait for a tick.
@pytest.mark.parametrize(("limit", "clients"), [("-1", CLIENTS), ("0", 120)], ids=["limited", "exhausted"])
def test_with_64_descriptors_500_clients_are_served_in_turn_without_a_spin(
    limit: str, clients: int, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        with descriptors_limited_to(64):
            siege = stack.enter_context(under_siege(tmp_path, *SHORT, "--limit-connections", limit))
        silent = [stack.enter_context(socket.create_connection(("127.0.0.1", siege.port))) for _ in range(60)]
        until = time.monotonic() + 10
        while siege.descriptors() < 50 and time.monotonic() < until:
            time.sleep(0.01)
        began, used = time.monotonic(), cpu_seconds(siege.pid)
        time.sleep(0.5)
        share = (cpu_seconds(siege.pid) - used) / (time.monotonic() - began)
        assert share < QUIET, f"{share:.0%} of a core while it is full"
        tally = siege.attack("crowd", clients, 60.0)
        assert tally == {"connected": clients, "200": clients, "done": clients}
        for sock in silent:
            assert sock.recv(1) == b""
        assert siege.descriptors() <= 64


def test_at_limit_connections_who_waits_is_served_as_soon_as_one_leaves(tmp_path: Path) -> None:
    with under_siege(tmp_path, *SHORT, "--limit-connections", "12") as siege:
        tally = siege.attack("silent", 14, 60.0, comes_again=False)
        assert tally == {"connected": 14, "ended": 14}, "each had its second, then gave its place to another"
        tally = siege.attack("crowd", 100, 60.0)
        assert tally == {"connected": 100, "200": 100, "done": 100}
        assert siege.descriptors() <= siege.base + 12


def test_at_limit_per_client_only_that_client_is_turned_away(tmp_path: Path) -> None:
    with under_siege(tmp_path, *SHORT, "--limit-per-client", "20", address="127.0.0.2") as siege:
        tally = siege.attack("per-client", 50, 1.0)
        assert tally["200"] == 20, tally
        turned_away = tally["503"] + tally["reset"]  # a request that comes behind the 503 makes the kernel reset it
        assert turned_away >= 30, tally


def test_at_limit_concurrency_everybody_is_told_to_come_again(tmp_path: Path) -> None:
    """It counts answers, whoever asks: an ordinary client may be told 503 as well, at once and on a kept connection."""
    flags = (*SHORT, "--limit-concurrency", "2")
    with under_siege(tmp_path, *flags, excused="^RuntimeError: not the answer: b'HTTP/1.1 503 ") as siege:
        tally = siege.attack("concurrency", 20, 1.0)
        assert tally["200"] >= 2, tally
        assert tally["503"] >= 18, tally
        assert tally["ended"] == tally["reset"] == 0, tally
        time.sleep(3 * HANG)  # it is over when the last answer is
        with Bystanders(siege.port).present() as after:
            time.sleep(0.5)
        assert after.failures == []
