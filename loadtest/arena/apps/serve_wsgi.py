"""Start a WSGI server that has no command line of its own, or not one that says all it can do.

    python3 -m loadtest.arena.apps.serve_wsgi bjoern 8001
"""

import sys

from loadtest.arena.apps.wsgi import app

HOST, BACKLOG = "127.0.0.1", 4096


def bjoern(port: int) -> None:
    import bjoern as server

    server.run(app, HOST, port, listen_backlog=BACKLOG)


def fastpysgi(port: int) -> None:
    import fastpysgi as module  # type: ignore[import-not-found]  # a peer's, in the venv of the peers

    module.server.backlog = BACKLOG
    module.server.tcp_nodelay = 1
    module.run(app, host=HOST, port=port)


def cheroot(port: int) -> None:
    from cheroot.wsgi import Server

    server = Server((HOST, port), app, request_queue_size=BACKLOG, timeout=75)
    server.keep_alive_conn_limit = 10_000  # instead of 10
    server.start()


def gevent(port: int) -> None:
    from gevent.pywsgi import WSGIServer
    from gevent.socket import IPPROTO_TCP, TCP_NODELAY, socket

    listener = socket()
    listener.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)  # inherited: an answer leaves in parts, and the second would wait
    listener.bind((HOST, port))
    listener.listen(BACKLOG)
    WSGIServer(listener, app, log=None).serve_forever()


SERVERS = {server.__name__: server for server in (bjoern, fastpysgi, cheroot, gevent)}

if __name__ == "__main__":
    SERVERS[sys.argv[1]](int(sys.argv[2]))
