"""Health: whether this server should be sent requests. 200 while it serves, 503 while it drains.

Law: it asks nothing else: no database, no disk. A check that can hang takes down with it what it watches.
"""

from dataclasses import dataclass

from reactor import Request, Response, Server

_NO_STORE = {"Cache-Control": "no-store"}
_NOT_ALLOWED = Response(405, "Method Not Allowed\n", {"Allow": "GET, HEAD"})


@dataclass
class Health:
    """Mount it where the load balancer looks: `--mount /health=health`, or `router.mount("/health", Health())`.

    `text`: the body of the 200, for the balancers that compare it.
    """

    text: str = "ok"

    def __post_init__(self) -> None:
        self._server: Server | None = None
        self._serving = Response(200, self.text, _NO_STORE)
        self._draining = Response(503, "draining", _NO_STORE)

    def startup(self, server: Server) -> None:
        self._server = server

    def __call__(self, request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _NOT_ALLOWED
        is_draining = self._server is not None and self._server.is_draining
        return self._draining if is_draining else self._serving


handler = Health()
