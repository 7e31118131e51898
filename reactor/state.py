"""The states of a connection: it waits for exactly one thing, and its state names it.

Law: the state decides what is watched, for how long, and what runs next. It is derived from what is owed,
never remembered beside it: see `Connection._derive`.

| state    | watches        | at most                                 | means                                          |
|----------|----------------|-----------------------------------------|------------------------------------------------|
| IDLE     | read           | timeout_keep_alive; once timeout_header | nothing owed either way                        |
| HEAD     | read           | timeout_header, from its first byte     | part of a head is here                         |
| BODY     | read           | timeout_body, and least_rate            | a body is to come, and nothing is to be sent   |
| WORK     | read           | the handler's own                       | an answer, or a piece of it, is being computed |
| FLUSH    | write          | timeout_write, and least_rate           | we owe bytes                                   |
| DUPLEX   | read and write | timeout_write, and least_rate           | we owe bytes, and a body is still coming       |
| LINGER   | read           | timeout_linger                          | we sent FIN, wait for theirs and discard       |
| UPGRADED | as it goes     | the protocol's own; timeout_write       | the bytes belong to another protocol           |
| CLOSED   | nothing        | -                                       | the end                                        |

Where a body comes and its answer leaves at the same time: while the peer has something to take, we wait for that
(DUPLEX), and its silence is not counted. Where it has nothing to take, it owes us its body (BODY), and a piece of an
answer that leaves at once buys it no time. Where nobody takes the body, we wait for the handler (WORK), or for what is
owed (FLUSH). A body whose time is over is broken off; an answer that has begun goes on, and is the last: one without
an end ends with its handler, or with a client that does not take it.

Reading stops (in WORK, DUPLEX and UPGRADED) above a high-water mark, and for good when the peer said goodbye. An
upgraded protocol's peer is not silent while the protocol takes no more, or when it has said goodbye.
"""

from typing import NamedTuple

from .loop import READ, WRITE


class State(NamedTuple):
    """`watches`: READ | WRITE. `callback`: the Connection's method for when it is ready."""

    name: str
    watches: int
    callback: str


IDLE = State("IDLE", READ, "_on_readable")
HEAD = State("HEAD", READ, "_on_readable")
BODY = State("BODY", READ, "_on_readable")
WORK = State("WORK", READ, "_on_readable")  # what comes waits; the same callback, so that a promise costs no change
FLUSH = State("FLUSH", WRITE, "_on_writable")
DUPLEX = State("DUPLEX", READ | WRITE, "_on_duplex")
LINGER = State("LINGER", READ, "_on_leftovers")
UPGRADED = State("UPGRADED", READ, "_on_protocol")
CLOSED = State("CLOSED", 0, "")

NEW = State("NEW", 0, "")  # before the first of them
HEARD = (IDLE, HEAD, BODY)  # where a last look may find what we wait for
HOPELESS = (IDLE, HEAD, BODY, LINGER)  # once the peer has said goodbye: no more bytes will come
AHEAD = (WORK, DUPLEX, UPGRADED)  # where bytes may come ahead of their turn
OWING = (FLUSH, DUPLEX)  # where the peer has to take an answer
UNSEEN = (WORK, UPGRADED)  # where we may watch for nothing, and have to ask whether the peer is there
TAKEN = (FLUSH, DUPLEX, UPGRADED)  # where what it has taken buys it time
