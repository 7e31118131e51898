"""The floor: what `selectors` and a socket cost when nobody looks at the bytes.

One `DefaultSelector`, non-blocking sockets, one constant answer per read. It parses nothing, so it is no HTTP server:
two requests in one read get one answer, half a request gets a whole one. What a real server takes longer than this is
the price of being one; `loadtest.versus_floor` measures that.

    python3 -m loadtest.floor --port 8001
"""

import argparse
import selectors
import signal
import socket
import sys

# As long as Reactor's own answer to /test, so that both move the same bytes.
ANSWER = (
    b"HTTP/1.1 200 OK\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    b"Server: floor\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: 5\r\n"
    b"\r\n"
    b"Hello"
)


def serve(listener: socket.socket) -> None:
    """Answer every read on every connection, until a signal ends the process."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    select, answer = selector.select, ANSWER
    while True:
        for key, _ in select():
            if key.data is None:
                connection, _ = listener.accept()
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ, (connection.recv, connection.send))
                continue
            recv, send = key.data
            try:
                if recv(65536):
                    send(answer)
                    continue
            except OSError:
                pass  # reset by the peer, or a peer that does not read: either way it goes
            selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]  # what we registered is a socket


def main() -> None:
    """Listen on loopback and serve; TERM and INT end it."""
    parser = argparse.ArgumentParser(prog="python3 -m loadtest.floor", description="a bare selectors loop")
    parser.add_argument("--port", type=int, default=8001, help="0 takes any free one (default: 8001)")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with socket.create_server(("127.0.0.1", arguments.port), backlog=1024) as listener:
        print(f"floor on http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)
        listener.setblocking(False)
        serve(listener)


if __name__ == "__main__":
    main()
