"""The corpus through the proxy: what a server must refuse no upstream hears of, and what passes is what was sent."""

import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from reactor import Request, Response, Server, Settings
from tests.corpus import Asked, Case, load
from tests.corpus.test_corpus import BEFORE, BEFORE_ASKS, BEHIND, BEHIND_ASKS
from tests.wire import connect, read_all

from .upstreams import port_of, proxy_to

CASES = load()

Heard = tuple[str, bytes, bytes]  # method, target and body


class Line:
    """A proxy, and the server behind it, that writes down what it is asked."""

    def __init__(self, server: Server, heard: list[Heard]) -> None:
        self._port = port_of(server)
        self._heard = heard

    def hear(self, data: bytes) -> list[Heard]:
        """What the upstream has been asked when the client's connection is over."""
        self._heard.clear()
        with connect(self._port) as client, suppress(ConnectionError):
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            read_all(client)
        return list(self._heard)


@pytest.fixture(scope="module")
def line() -> Iterator[Line]:
    def handler(request: Request) -> Response:
        heard.append((request.method, request.target, request.body))
        return Response()

    heard: list[Heard] = []
    roomy = Settings(limit_headers=200, limit_head_size=64 * 1024)  # the proxy adds some
    with Server(handler, bind="127.0.0.1:0", settings=roomy) as upstream:
        with proxy_to(f"http://127.0.0.1:{port_of(upstream)}") as server:
            yield Line(server, heard)


def passes(asked: Asked) -> bool:
    """Whether it goes on: no tunnel does, and no path that climbs."""
    dots = asked.target.lower().replace(b"%2e", b".")
    return asked.method != "CONNECT" and b".." not in dots.replace(b"...", b"")


def target_of(asked: Asked) -> bytes:
    """As an origin server is asked."""
    scheme, mark, rest = asked.target.partition(b"://")
    if not mark or scheme.lower() not in (b"http", b"https"):
        return asked.target
    authority = rest.replace(b"?", b"/").partition(b"/")[0]
    target = rest[len(authority) :]
    if not target and asked.method == "OPTIONS":
        return b"*"
    return target if target[:1] == b"/" else b"/" + target


def wanted(case: Case) -> list[Heard]:
    asked = [BEFORE_ASKS, *case.requests]
    if case.is_valid and not case.closes:
        asked.append(BEHIND_ASKS)
    return [(each.method, target_of(each), each.body) for each in asked if passes(each)]


@pytest.mark.parametrize("name", CASES)
def test_the_upstream_hears_what_was_asked_and_nothing_else(line: Line, name: str) -> None:
    """Between two requests: one in front that passes, and one behind that does only where the case is good."""
    case = CASES[name]
    assert line.hear(BEFORE + case.data + BEHIND) == wanted(case), case.why
