"""The one exception of the protocol core: a refusal that knows its answer.

Law: whoever raises it names the status, and a reason that says what was wrong and where, for the person at
the other end. The reason never repeats what the peer sent.
"""


class ProtocolError(Exception):
    """The peer's bytes are refused: answer `status` (an int, 4xx or 5xx) with `reason`, then close."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.status}: {self.reason}"
