"""The comparison with other servers: its judge on made-up transcripts, all of it on two that need no installing."""

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from . import Asked, Case, peer_server, peers
from .peer_apps import evidence
from .peer_judge import CRASHED, SILENT, Transcript, has_answers, is_same_target, is_settled, judge
from .peer_server import PeerServer, examine

GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


def valid(data: bytes = GET, *requests: Asked) -> Case:
    return Case("valid/made/up", data, "", list(requests) or [Asked("GET", b"/a")], 0, True, [], False)


def invalid(data: bytes = b"GET /a\r\n\r\n", status: int = 400, must: bool = True, name: str = "x") -> Case:
    return Case(f"invalid/made/{name}", data, "", [], status, must, [], False)


def app(method: str = "GET", target: str = "/a", body: bytes = b"", status_line: str = "HTTP/1.1 200 OK") -> bytes:
    fields, answer = evidence(method, target, body)
    return "\r\n".join([status_line, *(f"{name}: {value}" for name, value in fields), "", ""]).encode() + answer


BEHIND = app(target="/smuggled")


@pytest.mark.parametrize(
    ("received", "ended", "wrong"),
    [
        (BAD, "closed", ""),
        (BAD, "silent", ""),
        (b"", "closed", ""),
        (b"HTTP/1.0 500 Oh\r\n\r\nno length", "closed", ""),
        (b"<p>refused, by HTTP/0.9</p>", "closed", ""),
        (b"", "silent", SILENT),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "silent", SILENT),
        (b"", "crashed", CRASHED),
        (app(), "closed", "answered 200"),
        (app() + BEHIND, "open", "answered 200"),
        (app(status_line="HTTP/2.0 200 OK"), "closed", "answered 200"),
        (BAD + BEHIND, "open", "the request behind it was answered 200"),
        (BEHIND, "open", "the request behind it was answered 200"),
        (evidence("GET", "/a", b"")[1], "closed", "answered without a status line"),
    ],
)
def test_an_invalid_case_is_right_where_nothing_is_answered(received: bytes, ended: str, wrong: str) -> None:
    assert judge(invalid(), Transcript(received, ended)) == wrong


@pytest.mark.parametrize(
    ("received", "ended", "wrong"),
    [
        (app() + BEHIND, "open", ""),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + app() + BEHIND, "open", ""),
        (app(), "closed", ""),
        (app(), "silent", SILENT),
        (b"", "silent", SILENT),
        (b"", "crashed", CRASHED),
        (b"", "closed", "closed without an answer"),
        (BAD, "closed", "answered 400"),
        (BEHIND, "open", "the app saw the target '/smuggled'"),
        (app("HEAD"), "closed", "the app saw the method 'HEAD'"),
        (app(body=b"x"), "closed", "the app saw the body 'x'"),
        (app(status_line="HTTP/1.2 200 OK"), "closed", ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "closed", "not answered by the app"),
        (app() + BAD, "closed", "behind it something was answered 400"),
        (app() + app(target="/hidden") + BEHIND, "open", "behind it something was answered 200"),
        (app() + b"junk", "closed", "behind the answer: b'junk'"),
    ],
)
def test_a_valid_case_is_right_where_it_is_answered_as_it_was_meant(received: bytes, ended: str, wrong: str) -> None:
    assert judge(valid(), Transcript(received, ended)) == wrong


def test_an_answer_is_read_to_its_end_however_it_is_framed() -> None:
    answer = app(body=b"hello").partition(b"\r\n\r\n")[2]
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(answer), answer)
    case = valid(GET, Asked("GET", b"/a", b"hello"))
    assert judge(case, Transcript(chunked + BEHIND, "open")) == ""
    assert judge(case, Transcript(b"HTTP/1.0 200 OK\r\n\r\n" + answer, "closed")) == ""
    head = valid(GET, Asked("HEAD", b"/a"))
    assert judge(head, Transcript(app("HEAD") + BEHIND, "open")) == ""
    sized = BAD.replace(b" 0\r\n", b" 9\r\n")  # an answer to HEAD has no body, whatever it says
    assert judge(head, Transcript(sized + BEHIND, "open")) == "answered 400"
    refused = invalid(b"HEAD  / HTTP/1.1\r\n\r\n")
    assert judge(refused, Transcript(sized + BEHIND, "open")) == "the request behind it was answered 200"


def test_several_requests_are_answered_in_order_up_to_a_close_that_was_said() -> None:
    case = valid(GET * 2, Asked("GET", b"/a"), Asked("GET", b"/b"))
    second = app(target="/b")
    assert judge(case, Transcript(app() + second + BEHIND, "open")) == ""
    assert judge(case, Transcript(second + app(), "closed")) == "the app saw the target '/b'"
    assert judge(case, Transcript(app(), "closed")) == "closed without an answer"
    assert judge(case, Transcript(app(status_line="HTTP/1.0 200 OK"), "closed")) == ""
    assert judge(case, Transcript(app().replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), "closed")) == ""


def refusal(status: int) -> Transcript:
    return Transcript(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status, "closed")


@pytest.mark.parametrize(
    ("case", "right", "wrong"),
    [
        (valid(GET, Asked("CONNECT", b"a:443")), {200, 400, 501}, set()),
        (valid(GET, Asked("PURGE", b"/a")), {405, 501}, {400, 404}),
        (valid(GET, Asked("OPTIONS", b"*")), {200, 204}, {400}),
        (valid(GET, Asked("GET", b"/a", version=b"HTTP/1.2")), {505}, {400}),
        (valid(b"GET /a HTTP/1.1\r\nExpect: 200-ok\r\n\r\n"), {417}, {400}),
        (valid(b"GET /a HTTP/1.1\r\nExpect: 100-continue\r\n\r\n"), set(), {417}),
        (valid(b"GET /a HTTP/1.1\r\nUpgrade: h2c\r\n\r\n"), {101}, {400, 426}),
        (valid(b"GET /a HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"), {101, 400, 426}, {500}),
        (valid(b"GET /a HTTP/1.1\r\nX: %b\r\n\r\n" % (b"x" * 8000)), {400, 431}, {500}),
        (valid(b"\r\n\r\n" + GET), {400}, {500}),
        (valid(GET + b"\r\n\r\n\r\n" + GET), {400}, {500}),
        (valid(b"\r\n" + GET), set(), {400}),
        (valid()._replace(name="valid/limits/x"), {400, 413, 414, 431}, {500}),
        (valid(), set(), {101, 405, 413, 414, 417, 431, 501, 505}),
        (invalid(must=False)._replace(name="invalid/limits/x"), {200, 400}, set()),
        (invalid(status=431, must=False), {200, 400, 431}, set()),
        (invalid(status=431), {400, 431}, {200}),
        (invalid(must=False), {400}, {200}),
    ],
)
def test_what_the_rfc_leaves_open_is_not_held_against_a_server(case: Case, right: set[int], wrong: set[int]) -> None:
    assert [status for status in right if judge(case, refusal(status))] == []
    assert [status for status in wrong if not judge(case, refusal(status))] == []


def test_a_larger_limit_is_no_smuggling() -> None:
    case = invalid(status=413, must=False)
    assert judge(case, Transcript(app() + BEHIND, "open")) == ""
    assert judge(case, Transcript(app() + app(target="/hidden"), "open")) == "answered 200"
    assert judge(case, Transcript(BEHIND, "open")) == "the request behind it was answered 200"


def test_targets_are_compared_as_interfaces_show_them() -> None:
    assert is_same_target(b"/a%20b?c", "/a b?c")
    assert is_same_target(b"/%7ea", "/~a")
    assert is_same_target(b"http://a:80", "/")
    assert is_same_target(b"http://a/b?c", "/b?c")
    assert is_same_target(b"/a?", "/a")
    assert is_same_target(b"//a//b", "/a//b")
    assert not is_same_target(b"/a", "/b")
    assert not is_same_target(b"/%2541", "/A")


def test_a_method_may_be_in_upper_case_and_a_crowd_of_empty_lines_closed_on() -> None:
    assert judge(valid(GET, Asked("get", b"/a")), Transcript(app(), "closed")) == ""
    assert judge(valid(b"\r\n\r\n" + GET), Transcript(b"", "closed")) == ""
    assert judge(valid(b"\r\n\r\n" + GET), Transcript(b"", "silent")) == SILENT


def test_what_was_received_tells_how_far_we_are() -> None:
    assert has_answers(valid(), app())
    assert not has_answers(valid(), b"HTTP/1.1 100 Continue\r\n\r\n")
    assert is_settled(app() + BEHIND)
    assert not is_settled(app() + BEHIND[:-1])


# A server that refuses what it is sent, except for what it is told by the target.
FRAGILE = """
import os, socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
kept = []
while True:
    client, _ = server.accept()
    data = client.recv(1000)
    if b"/crash" in data:
        os._exit(1)
    if b"/silent" in data:
        kept.append(client)
        continue
    client.sendall(b"HTTP/1.1 400 Bad Request\\r\\nConnection: close\\r\\n\\r\\n")
    client.close()
"""


class Fragile(PeerServer):
    def __init__(self, source: str) -> None:
        super().__init__("fragile", sys.executable)
        self._command = [sys.executable, "-c", source]


def test_a_server_that_crashes_is_started_again_and_only_the_culprit_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_server, "PATIENCE", 0.2)
    cases = [invalid(b"GET /%d\r\n\r\n" % number, name=str(number)) for number in range(10)]
    cases[3] = invalid(b"GET /crash\r\n\r\n", name="crash")
    cases[7] = invalid(b"GET /silent\r\n\r\n", name="silent")
    with Fragile(FRAGILE) as server:
        wrong = examine(server, cases)
        assert wrong == {"invalid/made/crash": CRASHED, "invalid/made/silent": SILENT}
        assert server.starts == 3


def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(RuntimeError, match="no such thing"), Fragile("raise SystemExit('no such thing')"):
        pass


CHUNK_LF = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n"
LATIN = b"POST /a%20b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nh\xe9llo"
CASES = [
    invalid(CHUNK_LF, name="lf-in-chunk")._replace(ids=["CVE-2000-0000"]),
    invalid(GET.replace(b"Host", b"Host: b\r\nHost"), name="two-hosts"),
    invalid(GET.replace(b"\r", b""), name="bare-lf", must=False),
    invalid(b"GET / HTTP/2.0\r\n\r\n", 505, name="http-2"),
    valid(LATIN, Asked("POST", b"/a%20b", b"h\xe9llo")),
    valid(GET.replace(b"GET", b"HEAD"), Asked("HEAD", b"/a"))._replace(name="valid/made/head"),
]
HANDFUL = {case.name: case for case in CASES}


def test_reactor_is_compared_with_the_server_of_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "load", lambda: HANDFUL)
    picture = tmp_path / "corpus.svg"
    arguments = ["--peer", "http.server", "reactor", "--show-wrong", "--markdown", "--svg", str(picture)]
    assert peers.main(arguments) == 0
    out, err = capsys.readouterr()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line[:1] == "|"]
    assert rows[2] == ["cases", "", "2", "3", "1", "6", "1", "0", "0"]
    assert [row[0] for row in rows[3:]] == ["reactor", "http.server"]  # the best first
    assert rows[3][2:] == rows[2][2:]
    assert rows[4][2:] == ["2", "1", "0", "3", "0", "0", "0"]
    assert "\nhttp.server Python" in out
    assert "  invalid/made/two-hosts: answered 200\n" in out
    assert "reactor 0.1.0: 6 of 6 right" in err
    assert "\x1b" not in out + err
    texts = "".join(ElementTree.parse(picture).getroot().itertext())
    assert "reactor" in texts
    assert "http.server" in texts


def test_a_peer_that_is_not_there_is_shown_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "load", lambda: HANDFUL)
    monkeypatch.setattr(peers, "install", lambda: {"waitress": "not installed: no space left"})
    monkeypatch.setattr(peers, "python_in", lambda _: "/bin/false")
    assert peers.main(["--peer", "waitress"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[2].split() == ["waitress", *"–" * 8]
    assert "waitress is absent: not installed: no space left" in out


def test_cases_are_chosen_by_a_part_of_their_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "load", lambda: HANDFUL)
    with pytest.raises(SystemExit):
        peers.main(["--case", "nothing"])
    assert "no case has 'nothing' in its name" in capsys.readouterr().err


def test_columns_stand_under_their_headings_and_only_a_terminal_has_colours() -> None:
    rows = [("server", "version", "valid"), ("reactor", "1", "10"), ("other", "12", "9")]
    assert peers.as_text(rows, False) == "server   version  valid\nreactor  1           10\nother    12           9"
    assert "\x1b[1mreactor  1           10\x1b[0m\nother    12" in peers.as_text(rows, True)
