"""Percent-encoding and query strings: the text inside a target.

Law: decoding never fails and loses nothing. A malformed escape stays as it is; bytes that are not UTF-8
become surrogate escapes (PEP 383), so that `os.fsencode` gives them back.
"""

import re
from collections.abc import Iterator, Mapping

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def percent_decode(data: bytes) -> str:
    """The text of percent-encoded UTF-8 (RFC 3986 2.1)."""
    if 0x25 in data:  # "%"
        data = _ESCAPE.sub(lambda escape: bytes.fromhex(escape[1].decode()), data)
    return data.decode("utf-8", "surrogateescape")


class Query(Mapping[str, str]):
    """The parameters of a query string: a mapping from name to its last value; `get_all` has every value.

    A target's length is limited, and with it the number of parameters.
    """

    __slots__ = ("_index", "pairs")

    def __init__(self, raw: bytes) -> None:
        self.pairs = [_parse_pair(part) for part in raw.split(b"&") if part]
        self._index = dict(self.pairs)

    def __getitem__(self, name: str) -> str:
        return self._index[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        return f"Query({self.pairs!r})"

    def get_all(self, name: str) -> list[str]:
        """Every value of the parameter called `name`, in order."""
        return [value for key, value in self.pairs if key == name]


def _parse_pair(part: bytes) -> tuple[str, str]:
    name, _, value = part.replace(b"+", b" ").partition(b"=")
    return percent_decode(name), percent_decode(value)
