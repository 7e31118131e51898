"""The states of a connection: it waits for exactly one thing, and its state names it.

Law: the state decides what is watched, for how long, and what runs next. It is derived from what is owed,
never remembered beside it: see `Connection._derive`.

| state    | watches        | at most                                 | means                                          |
|----------|----------------|-----------------------------------------|------------------------------------------------|
| IDLE     | read           | timeout_keep_alive; once timeout_header | nothing owed either way                        |
| HEAD     | read           | timeout_header, from its first byte     | part of a head is here                         |
| BODY     | read           | timeout_body, and least_rate            | a head is here, its body is not                |
| WORK     | read           | the handler's own                       | an answer, or a piece of it, is being computed |
| FLUSH    | write          | timeout_write, and least_rate           | we owe bytes                                   |
| DUPLEX   | read and write | timeout_write, and least_rate           | we owe bytes, and a body is still coming       |
| LINGER   | read           | timeout_linger                          | we sent FIN, wait for theirs and discard       |
| UPGRADED | as it goes     | the protocol's own                      | the bytes belong to another protocol           |
| CLOSED   | nothing        | -                                       | the end                                        |

Reading stops (in WORK, DUPLEX and UPGRADED) above a high-water mark, and for good when the peer said goodbye.
"""

from math import inf
from typing import NamedTuple

from .loop import READ, WRITE
from .settings import Settings


class State(NamedTuple):
    """`watches`: READ | WRITE. `callback`: the Connection's method for when it is ready."""

    name: str
    watches: int
    callback: str


IDLE = State("IDLE", READ, "_on_readable")
HEAD = State("HEAD", READ, "_on_readable")
BODY = State("BODY", READ, "_on_readable")
WORK = State("WORK", READ, "_on_early")
FLUSH = State("FLUSH", WRITE, "_on_writable")
DUPLEX = State("DUPLEX", READ | WRITE, "_on_duplex")
LINGER = State("LINGER", READ, "_on_leftovers")
UPGRADED = State("UPGRADED", READ, "_on_protocol")
CLOSED = State("CLOSED", 0, "")

NEW = State("NEW", 0, "")  # before the first of them
HOPELESS = (IDLE, HEAD, BODY, LINGER)  # once the peer has said goodbye: no more bytes will come
AHEAD = (WORK, DUPLEX, UPGRADED)  # where bytes may come ahead of their turn


def due(state: State, settings: Settings, now: float, began: float, done: int) -> float:
    """When a wait in `state` is over: the third column of the table, for those that the settings know (seconds).

    `began`: when this wait began. `done`: bytes that have come of the body, or gone of the answer, since then.
    """
    if state is IDLE:
        return now + (settings.timeout_keep_alive or inf)
    if state is HEAD:
        return began + (settings.timeout_header or inf)
    if state is LINGER:
        return began + (settings.timeout_linger or inf)
    timeout = (settings.timeout_body if state is BODY else settings.timeout_write) or inf
    if not settings.least_rate:
        return now + timeout
    # Each byte buys time, at the least rate; and a pause is never longer than the timeout.
    return min(now, began + done / settings.least_rate) + timeout
