"""The access log and the connection: what it says was sent is what was sent."""

import re
from io import StringIO

import pytest

from .simulated import HELLO, World, blocked, get


@pytest.mark.parametrize("path", ["/hello", "/big", "/file", "/iterator", "/iterator-length"])
def test_the_access_log_has_the_whole_size(path: str) -> None:
    log = StringIO()
    world = World(log_to=log)
    world.transport.room = 1
    world.arrive(get(path))
    world.take(None)
    assert world.state == "IDLE"
    [line] = log.getvalue().splitlines()
    size = int(line.split(" B ")[0].rpartition(" ")[2])
    head, _, body = world.sent.partition(b"\r\n\r\n")
    if b"chunked" in head:  # the framing is not the body
        body = b"".join(re.findall(rb"[0-9a-f]+\r\n(.+?)\r\n", body, re.DOTALL))
    assert size == len(body) > 0


def test_the_access_log_says_what_broke_off() -> None:
    log = StringIO()
    world = World(log_to=log)
    blocked(get("/iterator"), room=1000)(world)
    world.fail()
    assert "broken off" in log.getvalue()


def test_a_refusal_is_in_the_access_log() -> None:
    log = StringIO()
    world = World(log_to=log)
    world.arrive(HELLO + b"NONSENSE\r\n\r\n")
    assert [line.split()[2:4] for line in log.getvalue().splitlines()] == [["/hello", "200"], ["400", "a"]]
