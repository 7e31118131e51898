"""The corpus: what clients and attackers send, as raw bytes, with what a server has to make of it.

One case is a file `valid/GROUP/NAME.http` or `invalid/GROUP/NAME.http`: exactly the bytes on the wire. Beside it,
`expectations.toml` has a table of the same NAME:

    ["two-hosts"]                               # in invalid/field/
    why = "RFC 9112 3.2: a server MUST answer 400 where there is more than one Host"
    status = 400                                # of the refusal
    must = true                                 # false: the RFC lets a server take it; we read it strictly
    ids = ["CVE-2022-0000", "GHSA-xxxx"]        # published weaknesses that it shows; may be left out

    ["chunked"]                                 # in valid/chunk/
    why = "RFC 9112 7.1"
    requests = [{ method = "POST", target = "/", body = "hello" }]
    closes = true                               # the server closes behind the last answer; may be left out: it does not

A request may also have `version` ("HTTP/1.1"), `fields` and `trailers` (lists of [name, value]; where they are left
out they are not compared). Strings stand for bytes in Latin-1: "\\u00ff" is the byte 0xff. A case is about one
message: an invalid one has nothing good in front of it, and what the tests send behind it must never be answered.
The limits are the server's defaults.

To add a case, write its bytes and its table, and run `pytest tests/corpus`:

    printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\nHost: b\\r\\n\\r\\n' > tests/corpus/invalid/field/two-hosts.http
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent

Pairs = list[tuple[bytes, bytes]]
Kinds = dict[str, type]


class Asked(NamedTuple):
    """A request that must reach the handler; None: not compared."""

    method: str
    target: bytes
    body: bytes = b""
    version: bytes = b"HTTP/1.1"
    fields: Pairs | None = None
    trailers: Pairs | None = None


class Case(NamedTuple):
    """`name` is "invalid/field/two-hosts". `status` is 0 for a valid case, `requests` empty for an invalid one."""

    name: str
    data: bytes
    why: str
    requests: list[Asked]
    status: int
    must: bool
    ids: list[str]
    closes: bool

    @property
    def is_valid(self) -> bool:
        return not self.status

    @property
    def group(self) -> str:
        return self.name.split("/")[1]


def load(folder: Path = HERE) -> dict[str, Case]:
    """All cases by name, in order; ValueError where a file and a table do not match or a table is not as above."""
    cases = {case.name: case for kind in ("valid", "invalid") for case in _load(folder / kind)}
    return dict(sorted(cases.items()))


def _load(folder: Path) -> Iterator[Case]:
    for group in sorted(path for path in folder.iterdir() if path.is_dir()):
        where = f"{folder.name}/{group.name}"
        try:
            tables = tomllib.loads((group / "expectations.toml").read_text("utf-8"))
        except FileNotFoundError:
            raise ValueError(f"{where}: no expectations.toml") from None
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"{where}/expectations.toml: {error}") from error
        files = {path.stem: path for path in group.iterdir() if path.name != "expectations.toml"}
        if odd := tables.keys() ^ files.keys():
            raise ValueError(f"{where}: a file without a table, or a table without a file: {sorted(odd)}")
        if strange := sorted(path.name for path in files.values() if path.suffix != ".http"):
            raise ValueError(f"{where}: a case is a file NAME.http, which these are not: {strange}")
        for name, table in tables.items():
            yield _case(f"{where}/{name}", files[name].read_bytes(), table, folder.name == "valid")


def _case(name: str, data: bytes, table: object, is_valid: bool) -> Case:
    if not isinstance(table, dict):
        raise ValueError(f"{name}: {table!r} is no table")
    needed: Kinds = {"why": str, "requests": list} if is_valid else {"why": str, "status": int, "must": bool}
    optional: Kinds = {"ids": list, "closes": bool} if is_valid else {"ids": list}
    _check(name, table, needed, optional)
    status = table.get("status", 0)
    if not data or not table["why"]:
        raise ValueError(f"{name}: has no bytes, or says no reason")
    if not is_valid and not 400 <= status <= 599:
        raise ValueError(f"{name}: a refusal has a status from 400 to 599, not {status}")
    if is_valid and not table["requests"]:
        raise ValueError(f"{name}: a valid case has a request at least")
    ids = table.get("ids", [])
    if not all(isinstance(each, str) for each in ids):
        raise ValueError(f"{name}: ids are strings, not {ids!r}")
    requests = [_asked(name, each) for each in table.get("requests", [])]
    return Case(name, data, table["why"], requests, status, table.get("must", True), ids, table.get("closes", False))


def _asked(name: str, table: object) -> Asked:
    if not isinstance(table, dict):
        raise ValueError(f"{name}: a request is a table, not {table!r}")
    where = f"{name}: a request"
    optional: Kinds = {"body": str, "version": str, "fields": list, "trailers": list}
    _check(where, table, {"method": str, "target": str}, optional)
    return Asked(
        table["method"],
        _bytes(where, table["target"]),
        _bytes(where, table.get("body", "")),
        _bytes(where, table.get("version", "HTTP/1.1")),
        _pairs(f"{where}'s fields", table.get("fields")),
        _pairs(f"{where}'s trailers", table.get("trailers")),
    )


def _check(where: str, table: dict[str, Any], needed: Kinds, optional: Kinds) -> None:
    if not needed.keys() <= table.keys() <= needed.keys() | optional.keys():
        raise ValueError(f"{where}: has {sorted(table)}, must have {sorted(needed)} and may have {sorted(optional)}")
    for key, kind in (needed | optional).items():
        if key in table and type(table[key]) is not kind:  # a bool is an int, and not meant as one
            raise ValueError(f"{where}: {key} is of type {kind.__name__}, not {table[key]!r}")


def _bytes(where: str, text: object) -> bytes:
    try:
        return str(text).encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"{where}: {text!r} is not Latin-1; write each byte as a character") from None


def _pairs(where: str, pairs: list[Any] | None) -> Pairs | None:
    if pairs is None:
        return None
    if not all(isinstance(each, list) and [type(text) for text in each] == [str, str] for each in pairs):
        raise ValueError(f"{where} are pairs [name, value], not {pairs!r}")
    return [(_bytes(where, name), _bytes(where, value)) for name, value in pairs]
