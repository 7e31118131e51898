"""FastAPI's WebSockets: the examples of its documentation, asked by the client `websockets`."""

import signal
from collections.abc import Iterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.program import Program

from . import WAIT, asgi_sources, serving, with_apps


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("fastapi")
    (folder / "main.py").write_text(asgi_sources.FASTAPI_WEBSOCKETS)
    with serving("main.py", cwd=folder, tracebacks=True) as program:  # the first example does not expect a goodbye
        yield address(program)


def address(program: Program) -> str:
    return program.url.replace("http://", "ws://")


def test_the_first_example(url: str) -> None:
    with connect(f"{url}/ws", open_timeout=WAIT) as socket:
        for text in ("Foo", "Grüße", "", "x" * 1_000_000):
            socket.send(text)
            assert socket.recv(timeout=WAIT) == f"Message text was: {text}"


def test_the_chat(url: str) -> None:
    with connect(f"{url}/ws/1", open_timeout=WAIT) as one:
        with connect(f"{url}/ws/2", open_timeout=WAIT) as two:
            one.send("hello")
            assert [one.recv(timeout=WAIT) for _ in range(2)] == ["You wrote: hello", "Client #1 says: hello"]
            assert two.recv(timeout=WAIT) == "Client #1 says: hello"
        assert one.recv(timeout=WAIT) == "Client #2 left the chat"


def test_what_is_not_there_is_refused(url: str) -> None:
    for path in ("/ws/not-a-number", "/nothing"):
        with pytest.raises(InvalidStatus) as refused, connect(url + path, open_timeout=WAIT):
            pass
        assert refused.value.response.status_code == 403


def test_who_is_connected_when_the_server_stops_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("fastapi")
    (folder / "main.py").write_text(asgi_sources.FASTAPI_WEBSOCKETS)
    with Program("main.py", cwd=folder, env=with_apps()) as program:
        with connect(f"{address(program)}/ws/7", open_timeout=WAIT) as socket:
            program.send(signal.SIGTERM)
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=WAIT)
        assert program.wait() == 0
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
