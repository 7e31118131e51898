"""A memo: a pure function that remembers what it was asked before, in bounded memory.

Clients say the same lines again and again, on one connection and on all of them: a look into a dict (60 ns) takes
the place of a regex and what it makes (0.7 us). When it is full it forgets everything, which costs no more than having
none. Whoever fills it with garbage takes that away from the others, and nothing else. When it is half full it becomes
choosy: what is never asked again would only cost, and what is asked often gets in soon all the same.
"""

from collections.abc import Callable
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")

ENTRIES = 1024
EAGER = 512  # entries; where there are more, only one new answer in `RARELY` is remembered
RARELY = 17  # a prime: it is not always the same line of a head
LONGEST = 256  # bytes of a question: 1,024 of them, with what is made of them, are below a MiB


class Memo(dict[K, V]):
    """`memo[question]` is `function(question)`; what that raises is raised each time.

    `is_kept(question, answer)`: whether it may be remembered: it is short, and no secret.
    """

    __slots__ = ("_function", "_is_kept", "_missed")

    def __init__(self, function: Callable[[K], V], is_kept: Callable[[K, V], bool]) -> None:
        self._function = function
        self._is_kept = is_kept
        self._missed = 0

    def __missing__(self, question: K) -> V:
        answer = self._function(question)
        self._missed += 1
        if (len(self) < EAGER or self._missed % RARELY == 0) and self._is_kept(question, answer):
            if len(self) >= ENTRIES:
                self.clear()
            self[question] = answer
        return answer
