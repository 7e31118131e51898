"""The corpus as data: how much of it there is, that no two cases are the same, and that wrong tables are refused."""

from collections import Counter
from pathlib import Path

import pytest

from . import Asked, Case, load
from .bench import BadAnswer, Reply, read_replies

CASES = load()

# Where cases must be, and how many at least: a group that was lost with a merge is missed.
LEAST = """
    invalid  absolute-form 25  chunk 70         chunk-extension 40  connection 8       content-length 50
    invalid  empty-line 12     expect 12        field 70            host 60            limits 30
    invalid  line-end 25       other-protocol 20  request-line 35   singleton 12       target 40
    invalid  trailer 30        transfer-encoding 60  upgrade 5      version 35
    valid    absolute-form 15  chunk 15         chunk-extension 12  connection 20      content-length 15
    valid    empty-line 5      expect 8         field 30            host 20            limits 5
    valid    pipeline 12       request-line 12  target 25           trailer 10         transfer-encoding 8
    valid    upgrade 6         version 5
"""


def least(kind: str) -> dict[str, int]:
    rows = [words[1:] for line in LEAST.splitlines() if (words := line.split())[:1] == [kind]]
    return {group: int(count) for row in rows for group, count in zip(row[::2], row[1::2], strict=True)}


@pytest.mark.parametrize("kind", ["invalid", "valid"])
def test_there_are_enough_cases_in_every_group(kind: str) -> None:
    there = Counter(case.group for name, case in CASES.items() if name.startswith(f"{kind}/"))
    assert not {group: there[group] for group, count in least(kind).items() if there[group] < count}
    assert there.total() >= {"invalid": 700, "valid": 250}[kind]


def test_no_two_cases_are_the_same() -> None:
    names: dict[bytes, list[str]] = {}
    for name, case in CASES.items():
        names.setdefault(case.data, []).append(name)
    assert not [same for same in names.values() if len(same) > 1]


def test_every_reason_names_an_rfc() -> None:
    assert not [name for name, case in CASES.items() if "RFC " not in case.why]


def test_every_status_and_both_judgements_occur() -> None:
    refused = [case for case in CASES.values() if not case.is_valid]
    assert {case.status for case in refused} >= {400, 413, 414, 417, 431, 501, 505}
    assert {case.must for case in refused} == {True, False}
    assert any(case.closes for case in CASES.values())


# The format.


def put(folder: Path, kind: str, table: str, data: bytes | None = b"x", suffix: str = ".http") -> Path:
    """A corpus of one case, a/b."""
    for each in ("valid", "invalid"):
        (folder / each).mkdir(exist_ok=True)
    group = folder / kind / "a"
    group.mkdir()
    (group / "expectations.toml").write_text(table, "utf-8")
    if data is not None:
        (group / f"b{suffix}").write_bytes(data)
    return folder


REFUSED = '["b"]\nwhy = "RFC"\nstatus = 400\nmust = true\n'
TAKEN = '["b"]\nwhy = "RFC"\nrequests = [{ method = "GET", target = "/"%s }]\n'


def test_a_bad_case_is_loaded(tmp_path: Path) -> None:
    table = '["b"]\nwhy = "RFC"\nstatus = 414\nmust = false\nids = ["CVE-2022-0000"]\n'
    (case,) = load(put(tmp_path, "invalid", table, b"\x00\r\n")).values()
    assert case == Case("invalid/a/b", b"\x00\r\n", "RFC", [], 414, False, ["CVE-2022-0000"], False)
    assert (case.is_valid, case.group) == (False, "a")


def test_a_good_case_is_loaded(tmp_path: Path) -> None:
    more = r', body = "\u00ff", version = "HTTP/1.0", fields = [["X", "\u0080"]], trailers = []'
    (case,) = load(put(tmp_path, "valid", TAKEN % more + "closes = true\n")).values()
    assert case.requests == [Asked("GET", b"/", b"\xff", b"HTTP/1.0", [(b"X", b"\x80")], [])]
    assert (case.is_valid, case.closes, case.ids) == (True, True, [])


def test_what_is_left_out_has_a_default(tmp_path: Path) -> None:
    (case,) = load(put(tmp_path, "valid", TAKEN % "")).values()
    assert case.requests == [Asked("GET", b"/", b"", b"HTTP/1.1", None, None)]
    assert not case.closes


WRONG = {
    "no status": ("invalid", '["b"]\nwhy = "RFC"\nmust = true\n', r"invalid/a/b: has .* must have .*'status'"),
    "an unknown key": ("invalid", REFUSED + "because = 1\n", "'because'"),
    "requests of a bad case": ("invalid", REFUSED + "requests = []\n", "'requests'"),
    "a bad case that closes": ("invalid", REFUSED + "closes = true\n", "'closes'"),
    "a status that is text": ("invalid", REFUSED.replace("400", '"400"'), "status is of type int, not '400'"),
    "a status that is true": ("invalid", REFUSED.replace("400", "true"), "status is of type int, not True"),
    "a status that is no refusal": ("invalid", REFUSED.replace("400", "200"), "from 400 to 599, not 200"),
    "must that is text": ("invalid", REFUSED.replace("true", '"yes"'), "must is of type bool, not 'yes'"),
    "an empty reason": ("invalid", REFUSED.replace("RFC", ""), "says no reason"),
    "an id that is a number": ("invalid", REFUSED + "ids = [1]\n", "ids are strings"),
    "no table": ("invalid", "b = 1\n", "1 is no table"),
    "a table without a file": ("invalid", REFUSED + REFUSED.replace('"b"', '"c"'), r"without a file: \['c'\]"),
    "a file without a table": ("invalid", "", r"a file without a table.*\['b'\]"),
    "no TOML": ("invalid", "[", "invalid/a/expectations.toml: "),
    "the same table twice": ("invalid", REFUSED * 2, "invalid/a/expectations.toml: "),
    "no requests": ("valid", '["b"]\nwhy = "RFC"\n', "'requests'"),
    "an empty list of requests": ("valid", '["b"]\nwhy = "RFC"\nrequests = []\n', "has a request at least"),
    "the status of a good case": ("valid", TAKEN % "" + "status = 400\n", "'status'"),
    "closes that is a number": ("valid", TAKEN % "" + "closes = 1\n", "closes is of type bool, not 1"),
    "a request that is text": ("valid", '["b"]\nwhy = "RFC"\nrequests = ["GET /"]\n', "a request is a table"),
    "a request without a target": ("valid", TAKEN.replace(', target = "/"', "") % "", "a request: has .*'target'"),
    "a request with more": ("valid", TAKEN % ", host = 'a'", "a request: has .*'host'"),
    "a body that is a number": ("valid", TAKEN % ", body = 1", "body is of type str, not 1"),
    "a body beyond Latin-1": ("valid", TAKEN % ", body = '☃'", "is not Latin-1"),
    "fields that are no pairs": ("valid", TAKEN % ", fields = [['X']]", "a request's fields are pairs"),
    "fields of numbers": ("valid", TAKEN % ", fields = [['X', 1]]", "a request's fields are pairs"),
    "trailers that are text": ("valid", TAKEN % ", trailers = ['X: 1']", "a request's trailers are pairs"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_is_refused_and_says_what(tmp_path: Path, name: str) -> None:
    kind, table, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        load(put(tmp_path, kind, table))


def test_a_case_without_bytes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="invalid/a/b: has no bytes"):
        load(put(tmp_path, "invalid", REFUSED, b""))


def test_a_file_with_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"not: \['b.txt'\]"):
        load(put(tmp_path, "invalid", REFUSED, suffix=".txt"))


def test_a_group_without_expectations_is_refused(tmp_path: Path) -> None:
    (put(tmp_path, "invalid", REFUSED) / "valid" / "c").mkdir()
    with pytest.raises(ValueError, match=r"valid/c: no expectations\.toml"):
        load(tmp_path)


# What reads the answers.

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_answers_are_read_one_after_the_other() -> None:
    assert read_replies(OK + CONTINUE + OK[:-2] + OK[:-1], ("GET", "HEAD", "GET")) == [
        *(Reply(200, b"close", b"hi"), Reply(100, b"", b""), Reply(200, b"close", b"")),
    ]


@pytest.mark.parametrize("size", range(len(OK)))
def test_the_beginning_of_an_answer_is_none(size: int) -> None:
    assert read_replies(OK[:size], ("GET",)) == []


@pytest.mark.parametrize(
    "data",
    [
        OK + b"more",
        OK.replace(b"1.1", b"1.0"),
        OK.replace(b"\r\n", b"\n") + OK,
        OK.replace(b"200", b"600"),
        OK.replace(b"Length: 2", b"Length: +2"),
        OK.replace(b"Length: 2", b"Length: 2\r\nContent-Length: 2"),
        OK.replace(b"Connection: close", b"Connection: close\r\nConnection: close"),
        OK.replace(b"Content-Length: 2\r\n", b""),
        OK.replace(b"200", b"100"),
        OK.replace(b"close", b"clo\x00se"),
    ],
)
def test_a_malformed_answer_is_not_read(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_replies(data, ("GET",))
