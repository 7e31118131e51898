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

A request may also have `version` ("HTTP/1.1"), `fields` and `trailers` (lists of [name, value]; where they are left
out they are not compared). Strings stand for bytes in Latin-1: "\\u00ff" is the byte 0xff. A case is about one
message: an invalid one has nothing good in front of it, and what the tests send behind it must never be answered.
The limits are the server's defaults.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent

Pairs = list[tuple[bytes, bytes]]


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

    @property
    def is_valid(self) -> bool:
        return not self.status


def load() -> dict[str, Case]:
    """All cases by name, in order; ValueError where a file and a table do not match or a table is not as above."""
    cases = {case.name: case for kind in ("valid", "invalid") for case in _load(HERE / kind)}
    return dict(sorted(cases.items()))


def _load(folder: Path) -> Iterator[Case]:
    for group in sorted(path for path in folder.iterdir() if path.is_dir()):
        tables = tomllib.loads((group / "expectations.toml").read_text("utf-8"))
        files = {path.stem: path for path in group.glob("*.http")}
        if odd := tables.keys() ^ files.keys():
            raise ValueError(f"{group}: a file without a table, or a table without a file: {sorted(odd)}")
        for name, table in tables.items():
            where = f"{folder.name}/{group.name}/{name}"
            yield _case(where, files[name].read_bytes(), table, folder.name == "valid")


def _case(name: str, data: bytes, table: dict[str, Any], is_valid: bool) -> Case:
    known = {"why", "ids", "requests"} if is_valid else {"why", "ids", "status", "must"}
    needed = known - {"ids"}
    if not needed <= table.keys() <= known:
        raise ValueError(f"{name}: has {sorted(table)}, and must have {sorted(needed)}")
    requests = [_asked(name, each) for each in table.get("requests", [])]
    return Case(name, data, table["why"], requests, table.get("status", 0), table.get("must", True), table.get("ids", []))


def _asked(name: str, table: dict[str, Any]) -> Asked:
    if not {"method", "target"} <= table.keys() <= set(Asked._fields):
        raise ValueError(f"{name}: a request has {sorted(table)}, and may have {Asked._fields}")

    def pairs(key: str) -> Pairs | None:
        return [(a.encode("latin-1"), b.encode("latin-1")) for a, b in table[key]] if key in table else None

    return Asked(
        table["method"],
        table["target"].encode("latin-1"),
        table.get("body", "").encode("latin-1"),
        table.get("version", "HTTP/1.1").encode("latin-1"),
        pairs("fields"),
        pairs("trailers"),
    )
