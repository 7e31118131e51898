"""Where we take what another parser refuses or means something else by: each with the sentence that decides.

Law: a row is about all requests of a kind, in whatever stream they turn up, so that millions of streams can be
compared and only what nobody has thought of remains. None is about framing: of that there must be no difference.
Each has an example, without which it goes.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from .comparing import CLOSING, LAXER, MEANING, Difference
from .oracles import Said

H11, LLHTTP, HTTP_SERVER = "h11", "llhttp", "http.server"


class Known(NamedTuple):
    """Attributes: `oracle`; `kind` (of the difference); `complaint` (a regex for the beginning of what the other says);
    `concerns` (which of the requests, as we read them); `reason`; `example`."""

    oracle: str
    kind: str
    complaint: str
    concerns: Callable[[Said], bool]
    reason: str
    example: bytes

    def covers(self, oracle: str, difference: Difference) -> bool:
        ours = difference.ours
        return (
            (oracle, difference.kind) == (self.oracle, self.kind)
            and re.match(self.complaint, difference.detail) is not None
            and ours is not None
            and self.concerns(ours)
        )


def _values(said: Said, name: bytes) -> bytes:
    return b",".join(value for key, value in said.fields if key == name).lower()


_METHODS = b"CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE".split()

KNOWN: list[Known] = [
    Known(
        LLHTTP,
        LAXER,
        "Invalid method|Expected space after method|Expected HTTP/2 Connection Preface",
        lambda said: said.method not in _METHODS,
        'RFC 9110 9.1: "additional methods [...] have been specified", any token is one; llhttp has a list, and some'
        " of it is for RTSP or HTTP/2 only",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    Known(
        LLHTTP,
        LAXER,
        "Invalid HTTP version",
        lambda said: said.version not in (b"HTTP/1.0", b"HTTP/1.1"),
        'RFC 9110 2.5: process a higher minor version "as if it was in the highest minor version within that major'
        ' version to which the recipient is conformant"',
        b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    ),
    Known(
        LLHTTP,
        LAXER,
        "Request has invalid `Transfer-Encoding`",
        lambda said: _values(said, b"transfer-encoding") == b"chunked",
        "RFC 9110 5.5: white space around a value is no part of it, and RFC 9110 5.6.3 counts the tab; llhttp, behind a"
        " coding, knows only the space",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n",
    ),
    Known(
        LLHTTP,
        CLOSING,
        "",
        lambda said: bool(_values(said, b"proxy-connection")),
        'RFC 9112 C.2.2: "clients are encouraged not to send the Proxy-Connection header field in any requests", and'
        " nothing has it mean Connection, as it does for llhttp",
        b"GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n",
    ),
    Known(
        LLHTTP,
        CLOSING,
        "",
        lambda said: any(name in (b"connection", b"proxy-connection") for name, _ in said.trailers),
        "RFC 9110 6.5.1: a field is no trailer unless its definition permits it; Connection's does not, and llhttp"
        " obeys it there too",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nConnection: close\r\n\r\n",
    ),
    Known(
        LLHTTP,
        CLOSING,
        "",
        lambda said: said.version == b"HTTP/1.0" and b"close" in _values(said, b"connection"),
        'RFC 9112 9.3: "If the "close" connection option is present [...], the connection will not persist"; for llhttp'
        " that is so from HTTP/1.1 on",
        b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
    ),
    Known(
        H11,
        CLOSING,
        "",
        lambda said: said.version == b"HTTP/1.0" and b"keep-alive" in _values(said, b"connection"),
        'RFC 9112 9.3: "If the received protocol is HTTP/1.0, the "keep-alive" connection option is present, [...] the'
        ' connection will persist after the current response"; h11 never keeps it',
        b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    ),
    Known(
        HTTP_SERVER,
        MEANING,
        "",
        lambda said: said.target.startswith(b"//"),
        "RFC 9112 3.2.1: the target is what the client sent; http.server makes one slash of several, for the sake of"
        " redirects to it",
        b"GET //a HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    Known(
        HTTP_SERVER,
        LAXER,
        "431 Too many headers",
        lambda said: len(said.fields) == 100,
        "a limit of 100 lines, of which for http.server the empty one is one",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 99 + b"\r\n",
    ),
]


def explain(oracle: str, difference: Difference) -> Known | None:
    """The row that a difference is listed in."""
    return next((row for row in KNOWN if row.covers(oracle, difference)), None)
