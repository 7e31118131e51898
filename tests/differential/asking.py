"""One question to all: what do they make of these bytes, and does any of them differ from us in a way not known?"""

from typing import NamedTuple

from reactor.settings import Settings

from .comparing import STRICTER, Difference, compare, compare_heads
from .known import H11, HTTP_SERVER, LLHTTP, explain
from .oracles import Oracle, Reading, ask_h11, ask_http_server, ask_llhttp, ask_us, until_tunnel

ORACLES: dict[str, Oracle] = {H11: ask_h11, LLHTTP: ask_llhttp, HTTP_SERVER: ask_http_server}


class Answers(NamedTuple):
    """Attributes: `data`; `ours` (what we make of it); `differences` (by oracle; the first of each)."""

    data: bytes
    ours: Reading
    differences: dict[str, Difference]

    @property
    def surprises(self) -> list[str]:
        """The differences that nobody has a reason for. That others take what we refuse is none."""
        return [
            f"{oracle}: {difference.kind}: {difference.detail}\n    {self.data!r}"
            for oracle, difference in self.differences.items()
            if difference.kind != STRICTER and explain(oracle, difference) is None
        ]

    @property
    def takers(self) -> set[str]:
        """Who takes the first request of a stream where we take none."""
        if self.ours.requests:
            return set()
        return {oracle for oracle, difference in self.differences.items() if difference.kind == STRICTER}


def ask_all(data: bytes, settings: Settings | None = None) -> Answers:
    """What everybody makes of `data`; `settings` are ours."""
    ours = ask_us(data, settings or _DEFAULT)
    compared = until_tunnel(ours)
    differences = {}
    for oracle, ask in ORACLES.items():
        theirs = ask(data)
        is_head = oracle == HTTP_SERVER
        difference = compare_heads(ours, theirs, data) if is_head else compare(compared, until_tunnel(theirs))
        if difference is not None:
            differences[oracle] = difference
    return Answers(data, ours, differences)


_DEFAULT = Settings()
