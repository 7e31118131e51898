"""Field blocks: the lines between the request line and the body, and trailers.

Law: one regex validates a whole block before anything is read from it; a block is parsed once and never
repaired. A field that appears twice is combined where it is a list and refused where it is not.
"""

from collections.abc import Iterator, Mapping

from .errors import ProtocolError
from .grammar import FIELD_BLOCK, FIELD_LINE, TOKEN, TOKEN_LIST, VALUE

# Fields with one value: a second one is two readings of the same request (RFC 9110 5.3), even if equal.
SINGLETONS = frozenset(
    b"authorization content-length content-range content-type expect host if-modified-since if-range"
    b" if-unmodified-since max-forwards proxy-authorization range transfer-encoding".split()
)


class Headers(Mapping[str, str]):
    """The fields of a request: a mapping from name, in any case, to value; ordered; text is Latin-1.

    A repeated field reads as its values joined by ", " (cookies by "; "); `get_all` has them one by one and
    `pairs` has every line as it came, in bytes.
    """

    __slots__ = ("_index", "pairs")

    def __init__(self, pairs: list[tuple[bytes, bytes]]) -> None:
        self.pairs = tuple(pairs)
        self._index: dict[bytes, bytes] = {}
        index = self._index
        for name, value in pairs:
            name = name.lower()
            if name in index:
                if name in SINGLETONS:
                    raise ProtocolError(400, f"the field {name.decode()} is there twice")
                index[name] += (b"; " if name == b"cookie" else b", ") + value
            else:
                index[name] = value

    def __getitem__(self, name: str) -> str:
        return self._index[name.lower().encode("latin-1", "replace")].decode("latin-1")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower().encode("latin-1", "replace") in self._index

    def __iter__(self) -> Iterator[str]:
        """The names, in lower case, each once."""
        return (name.decode("latin-1") for name in self._index)

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        return f"Headers({self.pairs!r})"

    def get_all(self, name: str) -> list[str]:
        """Every value of the field called `name`, in order."""
        wanted = name.lower().encode("latin-1", "replace")
        return [value.decode("latin-1") for key, value in self.pairs if key.lower() == wanted]

    def raw(self, name: bytes) -> bytes | None:
        """The value of the field whose lower-case name is `name`, as bytes, or None."""
        return self._index.get(name)


def parse_fields(block: bytes, start: int, limit: int) -> Headers:
    """Parse `block[start:]`, whole field lines each ended by CRLF, into Headers.

    Raises ProtocolError: 400 for a malformed line or a singleton that repeats, 431 above `limit` lines.
    """
    if FIELD_BLOCK.fullmatch(block, start) is None:
        raise ProtocolError(400, _explain(block[start:]))
    pairs = FIELD_LINE.findall(block, start)
    if len(pairs) > limit:
        raise ProtocolError(431, f"{len(pairs)} fields; at most {limit} are taken")
    if block.find(b" \r\n", start) >= 0 or block.find(b"\t\r\n", start) >= 0:  # OWS is not part of a value
        pairs = [(name, value.rstrip(b" \t")) for name, value in pairs]
    return Headers(pairs)


def _explain(block: bytes) -> str:
    """Say what is wrong with the first malformed line of a block that did not match."""
    lines = block.split(b"\r\n")
    number = next((n for n, line in enumerate(lines, 1) if FIELD_BLOCK.fullmatch(line + b"\r\n") is None), len(lines))
    line = lines[number - 1]
    name, colon, value = line.partition(b":")
    if line[:1] in (b" ", b"\t"):
        fault = "is folded (begins with white space)"
    elif b"\n" in line or b"\r" in line:
        fault = "has a bare CR or LF"
    elif not colon:
        fault = "has no colon"
    elif not name:
        fault = "has an empty name"
    elif name[-1:] in (b" ", b"\t"):
        fault = "has white space before its colon"
    elif TOKEN.fullmatch(name) is None:
        fault = "has a name that is not a token"
    elif VALUE.fullmatch(value) is None:
        fault = "has a control byte in its value"
    else:
        fault = "is not ended by CRLF"
    return f"field line {number} {fault}"


def list_tokens(value: bytes) -> list[bytes] | None:
    """The tokens of a comma-separated list in lower case, or None where `value` is not such a list."""
    if TOKEN_LIST.fullmatch(value) is None:
        return None
    return [token for item in value.lower().split(b",") if (token := item.strip(b" \t"))]
