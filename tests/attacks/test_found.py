"""Weaknesses that the attacks have found, each as small as it can be told. They fail until they are mended."""

import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

import pytest

from reactor import Response, Server
from reactor.dialogue import PIPELINE
from reactor.settings import MIB

from ..program import Program
from ..simulated import HELLO, World, get, head
from ..wire import DEADLINE, connect, read_response

pytestmark = pytest.mark.attack

TURN = 400 * PIPELINE  # Python calls; a turn of pipelined requests takes 20 for each


def calls_of_a_turn(world: World, data: bytes) -> int:
    """Python calls from readiness to the end of the turn, for bytes that are here all at once."""
    count = 0

    def counted(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call"

    world.transport.feed(data)
    sys.setprofile(counted)
    try:
        world.reactor.turn()
    finally:
        sys.setprofile(None)
    return count


def test_what_one_connection_may_ask_for_in_a_turn_is_bounded_for_chunks_as_for_requests() -> None:
    """PIPELINE bounds requests; one read of tiny chunks, 64 KiB, holds the loop for 10,922 of them: 24 ms and more.

    Four such clients make the others wait for a tenth of a second for each request.
    """
    world = World()
    assert calls_of_a_turn(world, HELLO * 2000) < TURN
    world = World()
    world.arrive(head("POST /echo", "Transfer-Encoding: chunked"))
    assert calls_of_a_turn(world, b"1\r\nx\r\n" * 10_000) < TURN


def test_a_byte_of_a_body_now_and_then_is_not_progress_behind_a_burst_either() -> None:
    """What came at once is credited at least_rate for ever: half a body of 16 MiB buys 9 hours of a byte a minute,
    and as long is it held in memory."""
    world = World()
    world.arrive(head("POST /echo", "Content-Length: 1000000"), b"x" * 500_000)
    for second in range(30, 601, 30):
        world.at(second)
        if world.state == "BODY":
            world.arrive(b"x")
    assert world.statuses == [408], "ten minutes at a byte each half minute"


def test_the_kernel_does_not_take_a_large_answer_for_a_client_that_reads_nothing() -> None:
    """It takes what its buffer grows to, 2.5 MiB and more (tcp_wmem), copied within one turn: 500 such clients cost
    1 GiB of kernel memory and hold the loop for seconds. TCP_NOTSENT_LOWAT on the listener bounds both."""
    with Server(lambda request: Response(200, bytes(4 * MIB)), "127.0.0.1:0") as server:
        port = server.endpoints[0].sock.getsockname()[1]
        with closing(connect(port, receive_buffer=1)) as sock:
            sock.sendall(get("/"))
            sock.recv(1)
            time.sleep(0.5)
            connections: list[Any] = list(server.service.connections)
            assert connections[0]._outbox.sent < MIB // 2


def test_a_full_house_of_idle_connections_makes_room_for_who_asks(tmp_path: Path) -> None:
    """Idle connections hold every place for timeout_keep_alive, 75 s, and a request in each is enough to go on so."""
    flags = ("--limit-connections", "20", "--no-access-log")
    with Program("hello", *flags, cwd=tmp_path) as program, ExitStack() as stack:
        port = urlsplit(program.url).port or 0
        for _ in range(20):
            idle = stack.enter_context(closing(connect(port)))
            idle.sendall(get("/test"))
            assert read_response(idle).status == 200
        sock = stack.enter_context(closing(connect(port)))
        sock.sendall(get("/test"))
        try:
            assert read_response(sock).status == 200
        except TimeoutError:
            pytest.fail(f"not answered within {DEADLINE:.0f} s, though twenty connections have nothing to do")
