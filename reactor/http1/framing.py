"""Where the body ends: RFC 9112 section 6.3, for requests, as numbered steps.

Law: there is one answer or there is an error. A request that two parsers could frame differently is a 400.
"""

from .errors import ProtocolError
from .fields import list_tokens
from .grammar import DIGITS

CHUNKED = -1  # a body length not known yet: the chunks will tell

# 2**63 has 19 digits; a longer number is no size of anything, and int() of a long one is not free.
_LENGTH_DIGITS = 18


def body_length(version: bytes, coding: bytes | None, length: bytes | None) -> int:
    """The number of body bytes that follow the head, or CHUNKED. `version` is b"HTTP/1.0" or later; `coding` and
    `length` are the values of Transfer-Encoding and Content-Length, or None.

    Raises ProtocolError: 400 for contradictory or malformed framing, 413 for a length beyond any size, 501
    for a transfer coding this server does not have.
    """
    # 1., 2. concern responses.
    # 3. Both fields: an attempt at smuggling, or as dangerous as one.
    if coding is not None and length is not None:
        raise ProtocolError(400, "both Transfer-Encoding and Content-Length")
    # 4. Transfer-Encoding: chunked, once, and nothing else; a 1.0 peer cannot have meant it (section 6.1).
    if coding is not None:
        if version == b"HTTP/1.0":
            raise ProtocolError(400, "Transfer-Encoding in HTTP/1.0")
        if coding.lower() != b"chunked":
            raise _refuse_coding(coding)
        return CHUNKED
    # 5., 6. Content-Length: digits. A list of them, even of equal ones, may be read otherwise elsewhere.
    if length is not None:
        if DIGITS.fullmatch(length) is None:
            raise ProtocolError(400, "Content-Length is not a number of digits 0 to 9")
        if len(length) > _LENGTH_DIGITS:
            raise ProtocolError(413, f"Content-Length has more than {_LENGTH_DIGITS} digits")
        return int(length)
    # 7. Neither: no body. (8. concerns responses.)
    return 0


def _refuse_coding(coding: bytes) -> ProtocolError:
    codings = list_tokens(coding)
    if codings and codings[-1] == b"chunked" and codings.count(b"chunked") == 1 and b"identity" not in codings:
        return ProtocolError(501, "of the transfer codings only chunked is known here")
    return ProtocolError(400, "Transfer-Encoding is not exactly one chunked")
