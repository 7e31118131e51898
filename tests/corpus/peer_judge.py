"""What a server made of a case, judged by what a client got over the socket: the same rules for Reactor and its peers.

Behind every case, in the same connection, a request for /smuggled is sent: with an invalid case at once, as a
smuggler does; with a valid one when its requests have been answered, so that a server that cannot do pipelining loses
only the cases that are about it. What comes back is one stream of answers; the app's (`peer_apps`) say what it was
handed.

- An invalid case is right if nothing on this connection was answered 2xx, neither it nor the request behind it, and
  the server said 4xx or 5xx or closed. (An answer of the app without a status line, HTTP/0.9, counts as 2xx.)
- A valid case is right if its requests were answered 2xx in order, the app saw their method, target and body, and
  behind them there is the answer to the smuggled request or nothing.
- Neither an answer nor a close in the time is "silent", a server that left or hangs for good "crashed"; both are wrong.

What a fair reader would object to, and what follows:

- A target may be percent-decoded, and without scheme and authority: so WSGI and ASGI have it. Of `*` they have
  nothing, so there it is not compared. Several slashes in front may be one, which keeps apps from redirecting to
  another site. A method may be in upper case: so ASGI wants it.
- CONNECT asks for a tunnel, which our app cannot give, though it says 200 to everything: a valid one is right with
  any answer, and with a close.
- Methods other than GET and HEAD are optional (RFC 9110 9.1): 405 and 501 are right for them.
- Upgrade is an offer (RFC 9110 7.8): the app's answer is right, and so is 101; and of a WebSocket handshake, which is
  the server's own affair, any refusal.
- 505 is right for a minor version above 1.1, which RFC 9110 2.5 only asks (SHOULD) to be taken as 1.1.
- 417 is right for an expectation other than 100-continue (RFC 9110 10.1.1: MAY). 1xx answers are passed over.
- A server may close behind any answer (RFC 9112 9.6). Where the answer says so, by `Connection: close` or as
  HTTP/1.0, the requests behind it need none.
- RFC 9112 2.2 asks to pass over one empty line in front of a request at least: more of them may be refused.
- Sizes are a choice. Of an invalid case that is a limit (413, 414, 431 or in the group `limits`, and not `must`) 2xx
  is right, too. A valid one in that group, or with a head above 8,000 bytes or a body above a mebibyte, may be refused.
"""

import json
import re
from typing import Any, NamedTuple
from urllib.parse import unquote

from . import Asked, Case

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
ITS_SIGHT = {"method": "GET", "target": "/smuggled", "body": ""}

TOO_LARGE = (413, 414, 431)
HEAD_TO_TAKE = 8_000  # bytes; RFC 9112 3 wants as much of a request line
BODY_TO_TAKE = 1 << 20  # bytes

SILENT, CRASHED = "silent", "crashed"

_HEAD = re.compile(rb"HTTP/[0-9]+\.([0-9]+) ([1-5][0-9][0-9])\b[^\r\n]*\r?\n((?:[^\r\n]+\r?\n)*)\r?\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]+)[^\r\n]*\r\n")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_EMPTY_LINES = re.compile(rb"(?:\A|\r\n\r\n)(?:\r\n){2,}[A-Z]")
_APP = b'{"method": "'


class Transcript(NamedTuple):
    """All that was received, and how it ended: "closed", "silent", "crashed", or "open" where we had seen enough."""

    received: bytes
    ended: str


class Answer(NamedTuple):
    """A final answer, or 101. `saw`: what the app was handed, as it says, or None where the app said nothing.
    `closes`: whether it says that it is the last one."""

    status: int
    saw: dict[str, str] | None
    closes: bool = False

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


def has_answers(case: Case, received: bytes | bytearray) -> bool:
    """Whether every request of a valid case has been answered."""
    return len(read_answers(bytes(received), [asked.method for asked in case.requests])[0]) >= len(case.requests)


def is_settled(received: bytes | bytearray) -> bool:
    """Whether the smuggled request has been answered by the app: behind it nothing was sent."""
    return b'"target": "/smuggled"' in received and received.endswith((b"}", b"}\r\n0\r\n\r\n"))


def read_answers(received: bytes, methods: list[str]) -> tuple[list[Answer], bytes]:
    """The answers to requests of these methods (GET behind them), and the bytes that are none."""
    answers: list[Answer] = []
    at = 0
    while head := _HEAD.match(received, at):
        status, fields = int(head[2]), _fields(head[3])
        at = head.end()
        if status == 101:
            return [*answers, Answer(status, None)], b""
        if status < 200:
            continue
        method = methods[len(answers)] if len(answers) < len(methods) else "GET"
        body = b""
        if method != "HEAD" and status not in (204, 304):
            body, at = _body(received, at, fields)
        saw = _sight(fields.get("x-saw", "").encode("latin-1") or body)
        persistence = fields.get("connection", "").lower()
        closes = "close" in persistence or (head[1] == b"0" and "keep-alive" not in persistence)
        answers.append(Answer(status, saw, closes))
    return answers, received[at:]


def _fields(block: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in block.decode("latin-1").splitlines())
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _body(received: bytes, at: int, fields: dict[str, str]) -> tuple[bytes, int]:
    """The body that begins here and its end; one that was broken off ends with the stream."""
    if "chunked" in fields.get("transfer-encoding", "").lower():
        body = b""
        while chunk := _CHUNK.match(received, at):
            size = int(chunk[1], 16)
            body += received[chunk.end() : chunk.end() + size]
            at = chunk.end() + size + 2
            if not size:
                break
        return body, min(at, len(received))
    length = fields.get("content-length", "")
    end = min(at + int(length), len(received)) if length.isdecimal() else len(received)
    return received[at:end], end


def _sight(body: bytes) -> dict[str, str] | None:
    try:
        saw: Any = json.loads(body)
    except ValueError:
        return None
    return saw if isinstance(saw, dict) and saw.keys() == ITS_SIGHT.keys() else None


def judge(case: Case, transcript: Transcript) -> str:
    """What is wrong, in a few words, or "": SILENT and CRASHED are always said so."""
    if transcript.ended == CRASHED:
        return CRASHED
    return _judge_valid(case, transcript) if case.is_valid else _judge_invalid(case, transcript)


def _judge_invalid(case: Case, transcript: Transcript) -> str:
    answers, rest = read_answers(transcript.received, [case.data.split(b" ", 1)[0].decode("latin-1")])
    good = [answer for answer in answers if answer.is_good]
    is_limit = not case.must and (case.status in TOO_LARGE or "/limits/" in case.name)
    if is_limit and len(good) == 1 and good[0] is answers[0] and good[0].saw != ITS_SIGHT:
        return ""
    if is_limit and len(answers) == len(good) == 2 and good[1].saw == ITS_SIGHT:
        return ""
    if good:
        smuggled = "the request behind it was " if good[0].saw == ITS_SIGHT else ""
        return f"{smuggled}answered {good[0].status}"
    if _APP in rest:
        return "answered without a status line"
    return SILENT if transcript.ended == SILENT and not answers else ""


def _judge_valid(case: Case, transcript: Transcript) -> str:
    answers, rest = read_answers(transcript.received, [asked.method for asked in case.requests])
    missing = SILENT if transcript.ended == SILENT else "closed without an answer"
    for number, asked in enumerate(case.requests):
        if number == len(answers):
            has_said_so = bool(answers) and answers[-1].closes
            may_close = has_said_so or asked.method == "CONNECT" or _may_be_refused(case)
            return "" if may_close and missing != SILENT else missing
        answer = answers[number]
        if _is_excused(case, asked, answer):
            return ""
        if not answer.is_good:
            return f"answered {answer.status}"
        if asked.target != b"*" and (wrong := _misread(asked, answer.saw)):
            return wrong
    behind = answers[len(case.requests) :]
    if [answer.saw for answer in behind] == [ITS_SIGHT]:
        behind = []
    elif not behind and transcript.ended == SILENT:
        return SILENT
    if behind:
        return f"behind it something was answered {behind[0].status}"
    return f"behind the answer: {rest[:40]!r}" if rest else ""


def _is_excused(case: Case, asked: Asked, answer: Answer) -> bool:
    """Whether the RFC allows this answer in place of the app's."""
    head = case.data.lower().lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
    expectation = re.search(rb"\nexpect:[ \t]*([^\r\n]*?)[ \t]*\r?\n", head + b"\r\n")
    return (
        asked.method == "CONNECT"
        or (answer.status in (405, 501) and asked.method not in ("GET", "HEAD"))
        or (answer.status == 101 and b"\nupgrade:" in head)
        or (400 <= answer.status < 500 and re.search(rb"\nupgrade:[^\n]*websocket", head) is not None)
        or (answer.status == 505 and asked.version not in (b"HTTP/1.0", b"HTTP/1.1"))
        or (answer.status == 417 and expectation is not None and expectation[1] != b"100-continue")
        or (answer.status in (400, *TOO_LARGE) and _may_be_refused(case))
    )


def _may_be_refused(case: Case) -> bool:
    """Whether a valid case asks for more than the RFC does."""
    head, _, body = case.data.partition(b"\r\n\r\n")
    is_large = len(head) > HEAD_TO_TAKE or len(body) > BODY_TO_TAKE
    return is_large or "/limits/" in case.name or _EMPTY_LINES.search(case.data) is not None


def _misread(asked: Asked, saw: dict[str, str] | None) -> str:
    """What the app was handed otherwise than it was sent."""
    if saw is None:
        return "not answered by the app"
    if saw["method"] not in (asked.method, asked.method.upper()):
        return f"the app saw the method {saw['method']!r}"
    if not is_same_target(asked.target, saw["target"]):
        return f"the app saw the target {saw['target']!r}"
    if saw["body"].encode("latin-1") != asked.body:
        return f"the app saw the body {saw['body'][:40]!r}"
    return ""


def is_same_target(sent: bytes, saw: str) -> bool:
    """Whether the app may have been handed `saw` for `sent`: percent-decoded or not, with or without an authority."""
    wanted = _path(sent.decode("latin-1"))
    seen = _path(saw)
    decoded = unquote(wanted, "latin-1")
    return seen in (wanted, decoded) or unquote(seen, "latin-1") == decoded


def _path(target: str) -> str:
    """Without scheme and authority, with one slash in front, without a question mark that has nothing behind it."""
    path = _ABSOLUTE.sub("", target, count=1) if _ABSOLUTE.match(target) else target
    path = path.removesuffix("?")
    return path if path.startswith("*") else "/" + path.lstrip("/")
