"""Field blocks: the lines between the request line and the body, and trailers.

Law: each line is validated whole before anything is read from it, and never repaired. A field that appears twice
is combined where it is a list and refused where it is not.
"""

from collections.abc import Iterable, Iterator, KeysView, Mapping

from .errors import ProtocolError
from .grammar import FIELD_BLOCK, FIELD_LINE, TOKEN, TOKEN_LIST
from .memo import LONGEST, Memo

# Fields with one value: a second one is two readings of the same request (RFC 9110 5.3), even if equal.
SINGLETONS = frozenset(
    b"authorization content-length content-range content-type expect host if-modified-since if-range"
    b" if-unmodified-since max-forwards proxy-authorization range transfer-encoding".split()
)


# What a line of theirs says is not kept beyond the connection that it came on.
SECRETS = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"))


class Headers(Mapping[str, str]):
    """The fields of a head: a mapping from name, in any case, to value; ordered; text is Latin-1.

    A repeated field reads as its values joined by ", " (cookies by "; "); `get_all` has them one by one and
    `pairs` has every line as it came, in bytes.
    """

    __slots__ = ("_index", "_pairs", "_raw", "_start")

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        self._pairs: tuple[tuple[bytes, bytes], ...] | None = tuple(pairs)
        self._raw, self._start = b"", 0  # where the pairs are read from, where they are not given
        self._index: dict[bytes, bytes] = {}  # by name in lower case
        self._combine()

    @property
    def pairs(self) -> tuple[tuple[bytes, bytes], ...]:
        """Every line, in order, as (name, value)."""
        if self._pairs is not None:
            return self._pairs
        lines = [line.partition(b":") for line in split_lines(self._raw, self._start)]
        return tuple([(name, value.strip(b" \t")) for name, _, value in lines])

    def _combine(self) -> None:
        """Index the lines where some name may be there more than once."""
        index = self._index = {}
        for name, value in self.pairs:
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

    def raw_values(self, names: Iterable[bytes]) -> tuple[bytes | None, ...]:
        """What `raw` says of each of `names`."""
        return tuple(map(self._index.get, names))

    def raw_names(self) -> KeysView[bytes]:
        """The names, in lower case, as bytes."""
        return self._index.keys()

    def raw(self, name: bytes) -> bytes | None:
        """The value of the field whose lower-case name is `name`, as bytes, or None."""
        return self._index.get(name)


def parse_fields(raw: bytes, start: int, limit: int) -> Headers:
    """Parse `raw[start:]`: field lines, each ended by CRLF, and the empty line behind them.

    Raises ProtocolError: 400 for a malformed line or a singleton that repeats, 431 above `limit` lines.
    """
    lines = split_lines(raw, start)
    count = len(lines)
    if count > limit:
        if FIELD_BLOCK.fullmatch(raw, start, len(raw) - 2) is None:
            raise ProtocolError(400, _explain(lines))
        raise ProtocolError(431, f"{count} fields; at most {limit} are taken")
    headers = Headers.__new__(Headers)
    headers._pairs, headers._raw, headers._start = None, raw, start  # they are rarely asked for
    try:
        headers._index = index = dict(map(_known_line, lines))
    except ValueError:
        raise ProtocolError(400, _explain(lines)) from None
    if len(index) < count:
        headers._combine()
    return headers


def split_lines(raw: bytes, start: int) -> list[bytes]:
    """The lines of `raw[start:]`, which an empty line ends, without their CRLFs."""
    block = raw[start:-4]
    return block.split(b"\r\n") if block else []


def _parse_line(line: bytes) -> tuple[bytes, bytes]:
    """One field line, without its CRLF, as (name in lower case, value); a malformed one is a ValueError."""
    match = FIELD_LINE.fullmatch(line)
    if match is None:
        raise ValueError
    name, value = match.groups()
    return name.lower(), value.rstrip(b" \t")  # OWS is not part of a value


def _is_kept(line: bytes, field: tuple[bytes, bytes]) -> bool:
    return len(line) <= LONGEST and field[0] not in SECRETS


_known_line = Memo(_parse_line, _is_kept).__getitem__


def _explain(lines: list[bytes]) -> str:
    """Say what is wrong with the first malformed line."""
    number, line = next((n, line) for n, line in enumerate(lines, 1) if FIELD_LINE.fullmatch(line) is None)
    name, colon, _ = line.partition(b":")
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
    else:
        fault = "has a control byte in its value"
    return f"field line {number} {fault}"


def list_tokens(value: bytes) -> tuple[bytes, ...] | None:
    """The tokens of a comma-separated list in lower case, or None where `value` is not such a list."""
    if TOKEN_LIST.fullmatch(value) is None:
        return None
    return tuple([token for item in value.lower().split(b",") if (token := item.strip(b" \t"))])
