"""The terms of an exchange: what a head's version and fields say to the server itself.

Law: they follow from six values and from nothing else, and are worked out once for each six that differ.
"""

from .errors import ProtocolError
from .fields import Headers, list_tokens
from .framing import body_length
from .grammar import HOST
from .memo import LONGEST, Memo

# The version, Host, Transfer-Encoding, Content-Length, Connection and Expect, each None where it is not there.
Said = tuple[bytes | None, ...]


class Terms:
    """Attributes: `version` (b"HTTP/1.1"), `length` (of the body: an int or CHUNKED), `options` (the Connection
    field's, a tuple of bytes), `keep_alive` (whether the peer wants it), `is_old` (HTTP/1.0), `expects_continue`.
    Raises ProtocolError.
    """

    __slots__ = ("expects_continue", "is_old", "keep_alive", "length", "options", "version")

    def __init__(self, said: Said) -> None:
        version, host, coding, length, connection, expectation = said
        self.version = version or b""
        self.is_old = version == b"HTTP/1.0"
        if host is None:
            if not self.is_old:
                raise ProtocolError(400, "an HTTP/1.1 request without a Host field")
        elif host and not is_host(host):
            raise ProtocolError(400, "Host is not a name or an address with an optional port")
        self.length = body_length(self.version, coding, length)
        options = list_tokens(connection or b"")
        if options is None:
            raise ProtocolError(400, "Connection is not a list of tokens")
        self.options = options
        self.keep_alive = b"close" not in options and (not self.is_old or b"keep-alive" in options)
        self.expects_continue = expectation is not None and not self.is_old  # RFC 9110 10.1.1: ignored in HTTP/1.0
        if expectation is not None and self.expects_continue and expectation.lower() != b"100-continue":
            raise ProtocolError(417, "the only expectation that can be met here is 100-continue")


def is_host(value: bytes) -> bool:
    """Whether `value` is `uri-host [ ":" port ]`, not empty, its port in range."""
    match = HOST.fullmatch(value)
    return match is not None and (not match[1] or (len(match[1]) <= 5 and int(match[1]) <= 65535))


def terms_of(version: bytes, headers: Headers) -> Terms:
    """The terms of a head. Raises ProtocolError."""
    said = headers._index.get  # past what it offers: 0.2 us
    framing = said(b"transfer-encoding"), said(b"content-length")
    return _KNOWN[version, said(b"host"), *framing, said(b"connection"), said(b"expect")]


def _is_kept(said: Said, terms: Terms) -> bool:
    # Each option is an object of its own, which weighs much more than what was sent of it.
    return len(b"".join(filter(None, said))) <= LONGEST and len(terms.options) < 8


_KNOWN: Memo[Said, Terms] = Memo(Terms, _is_kept)
