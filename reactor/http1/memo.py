"""A memo: a pure function of bytes that remembers what it was asked before, in bounded memory.

Clients say the same lines again and again, on one connection and on all of them: a look into a dict (60 ns) takes
the place of a regex and what it makes (0.7 us). When it is full it forgets everything, which costs no more than having
none. Whoever fills it with garbage takes that away from the others, and nothing else.
"""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

ENTRIES = 1024
LONGEST = 256  # bytes of an argument: 1,024 of them, with what is made of them, are well below a MiB


class Memo(dict[bytes, T]):
    """`memo[argument]` is `function(argument)`; what that raises is raised each time.

    `is_secret(value)`: whether it is nothing to keep beyond the connection that it came on.
    """

    __slots__ = ("_function", "_is_secret")

    def __init__(self, function: Callable[[bytes], T], is_secret: Callable[[T], object] = lambda _: False) -> None:
        self._function = function
        self._is_secret = is_secret

    def __missing__(self, argument: bytes) -> T:
        value = self._function(argument)
        if len(argument) <= LONGEST and not self._is_secret(value):
            if len(self) >= ENTRIES:
                self.clear()
            self[argument] = value
        return value
