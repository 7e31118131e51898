"""How a WebSocket ends: codes, and what is raised where nothing goes any more (RFC 6455 7.4).

Law: a code that may not be sent is refused where it is said, and not on the wire.
"""

ABNORMAL = 1006  # of a connection that ended without a close; never sent
NORMAL, GOING_AWAY, TOO_SLOW, TOO_BIG, INTERNAL = 1000, 1001, 1008, 1009, 1011
FRIENDLY = (NORMAL, GOING_AWAY, 1005)  # an end that is no error; 1005: a close frame without a code

_REASON = 123  # bytes: what a code leaves of a control frame, RFC 6455 5.5


class Closed(ConnectionError):
    """The WebSocket is closed. `code`: of the first close frame, whoever sent it; 1005 if it had none, 1006 if none
    came. `reason`: its text."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".rstrip())
        self.code = code
        self.reason = reason


def is_only(error: BaseException, kind: type[BaseException]) -> bool:
    """Whether `error` is of that kind, or a group of nothing else: what a TaskGroup makes of it."""
    return isinstance(error, kind) or (isinstance(error, BaseExceptionGroup) and error.split(kind)[1] is None)


def check_close(code: int, reason: str) -> None:
    """ValueError unless a close frame may have them: RFC 6455 7.4 and 5.5."""
    if not (1000 <= code <= 1014 or 3000 <= code <= 4999) or code in (1004, 1005, ABNORMAL):
        raise ValueError(f"a close frame cannot have the code {code}: 1000 is normal, 4000 to 4999 are yours")
    if len(reason.encode()) > _REASON:
        raise ValueError(f"the reason of a close has {_REASON} bytes at most: {reason!r}")
