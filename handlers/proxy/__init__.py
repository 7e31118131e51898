"""Proxy: what is asked here is answered by another server, the upstream.

    python -m reactor 'proxy:to=http://127.0.0.1:9000'
    python -m reactor app.py --mount /api=proxy:to=unix:/run/api.sock

Law: nothing that either side says reaches the other unread. A message is parsed, and another is made of it: with what
belongs to a connection taken out (RFC 9110 7.6.1), the framing made anew, and only fields that are valid. Bodies pass
as they come, no faster than the other side takes them, and one that breaks off on one side breaks off on the other.

The parts, in the order in which a request meets them: `upstreams` (which server, and a connection to it), `passage`
(one request on its way there, and its answer on the way back), `request_head` and `response_head` (what is made of
each), `bodies`, and `tunnel` for what is not HTTP any more.
"""

from dataclasses import dataclass
from typing import Literal

from reactor import Answer, BodySink, ClientTimeouts, Request, Response, Server, Upstream, parse_upstream

from .bodies import RequestBody
from .passage import Passage
from .request_head import RequestHeads, refusal
from .upstreams import Upstreams

_UNSTARTED = "a Proxy answers once its server has started"


@dataclass(eq=False)
class Proxy:
    """`Proxy("http://127.0.0.1:9000")`, a handler: passes requests on to a server, and hands back its answers.

    `to`: the upstream, http://HOST:PORT, http://HOST:PORT/BASE or unix:/PATH; several, with ";" between, have their
    turns. `host`: the Host that it sees, the client's ("keep") or its own ("replace"). `forwarded`: what the client
    says of who it is (X-Forwarded-…, Forwarded) is replaced by what we see, or, where the client is a proxy that is
    trusted, appended to ("append"). `limit_body`: bytes of a request's body, 0: any. Seconds: `timeout_connect`;
    `timeout_response`, for the head of an answer; `timeout_pause`, between two pieces of one; `timeout_tunnel`, of
    silence in an upgraded connection; `keep_alive`, for a connection that is not used; `lookup`, for which the address
    behind a name is good, 0: as long as the server runs.
    """

    to: str
    host: Literal["keep", "replace"] = "keep"
    forwarded: Literal["replace", "append"] = "replace"
    limit_body: int = 0
    timeout_connect: float = 5.0
    timeout_response: float = 60.0
    timeout_pause: float = 60.0
    timeout_tunnel: float = 3600.0
    keep_alive: float = 30.0
    lookup: float = 60.0

    def __post_init__(self) -> None:
        self._named = [parse_upstream(each.strip()) for each in self.to.split(";") if each.strip()]
        if not self._named:
            raise ValueError("it has to be said where to, as in http://127.0.0.1:9000")
        if self.host not in ("keep", "replace"):
            raise ValueError(f'host is "keep" or "replace", not {self.host!r}')
        if self.forwarded not in ("replace", "append"):
            raise ValueError(f'forwarded is "replace" or "append", not {self.forwarded!r}')
        numbers = {"limit_body": self.limit_body, "lookup": self.lookup, **self._timeouts._asdict()}
        for name, value in numbers.items():
            if value < 0:
                raise ValueError(f"{name} is 0 or more, not {value}")
        self._upstreams: Upstreams | None = None

    @property
    def _timeouts(self) -> ClientTimeouts:
        return ClientTimeouts(
            self.timeout_connect, self.timeout_response, self.timeout_pause, self.timeout_tunnel, self.keep_alive
        )

    def startup(self, server: Server) -> None:
        """Look the upstreams' names up. RuntimeError where one is not known."""
        pairs = [(each, self._heads(each)) for each in self._named]
        try:
            self._upstreams = Upstreams(server.service, self._timeouts, self.lookup, pairs)
        except ValueError as error:  # else it would be said of the server's own address
            raise RuntimeError(f"upstream {error}") from error

    def shutdown(self) -> None:
        upstreams, self._upstreams = self._upstreams, None
        if upstreams is not None:
            upstreams.close()

    def on_head(self, request: Request) -> Response | BodySink | None:
        length = request.head.terms.length
        if not length:
            return None
        refused = refusal(request)
        return refused if refused is not None else RequestBody(self._passage(request, length), length, self.limit_body)

    def __call__(self, request: Request) -> Answer:
        refused = refusal(request)
        if refused is not None:
            return refused
        body = request.body
        passage = self._passage(request, len(body))
        passage.begin(body, is_complete=True)
        return passage.later

    def _passage(self, request: Request, length: int) -> Passage:
        if self._upstreams is None:
            raise RuntimeError(_UNSTARTED)
        return Passage(self._upstreams, request, length)

    def _heads(self, upstream: Upstream) -> RequestHeads:
        return RequestHeads(upstream, keeps_host=self.host == "keep", appends=self.forwarded == "append")
