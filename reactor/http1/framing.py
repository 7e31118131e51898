"""Where the body ends: RFC 9112 section 6.3, for requests and for responses, as numbered steps.

Law: there is one answer or there is an error. What two parsers could frame differently is refused.
"""

from .errors import ProtocolError
from .fields import list_tokens
from .grammar import DIGITS

CHUNKED = -1  # a body length not known yet: the chunks will tell
UNTIL_CLOSE = -2  # a response's body that ends with its connection

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


def response_length(
    method: str, status: int, version: bytes, coding: bytes | None, length: bytes | None
) -> int:
    """The number of body bytes that follow the head of a response, CHUNKED or UNTIL_CLOSE. `method` is the request's,
    `status` the response's; the rest is as in `body_length`, and so is what is raised.
    """
    # 3. to 6. are as with requests. They come first: what the fields say is to make sense even where it frames nothing,
    # for whoever passes them on. 8. With neither field, the body ends with the connection.
    said = UNTIL_CLOSE if coding is None and length is None else body_length(version, coding, length)
    # 1. No body, whatever the fields say.
    if method == "HEAD" or status < 200 or status in (204, 304):
        return 0
    # 2. A tunnel, whatever the fields say.
    if method == "CONNECT" and status < 300:
        return UNTIL_CLOSE
    # 7. concerns requests.
    return said


def _refuse_coding(coding: bytes) -> ProtocolError:
    codings = list_tokens(coding)
    if codings and codings[-1] == b"chunked" and codings.count(b"chunked") == 1 and b"identity" not in codings:
        return ProtocolError(501, "of the transfer codings only chunked is known here")
    return ProtocolError(400, "Transfer-Encoding is not exactly one chunked")
