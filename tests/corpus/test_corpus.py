"""Every case of the corpus, read by the parser and served over a socket: whole, byte by byte, cut at every position.

Alone, behind a good request, before another one, and between the two: behind a good case the other one is answered,
behind a bad one never. How the bytes come never matters: the same requests, the same refusal, the same end.
"""

from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import pytest

from reactor import Settings
from reactor.http1.request import HeadLimits
from tests.http1.samples import Outcome, Refused, Taken, Waiting, converse

from . import Asked, Case, load
from .bench import Bench, Heard, Reply

CASES = load()

# The body ends with a CR that is not part of what comes behind it.
BEFORE = b"POST /before HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n\r"
BEFORE_ASKS = Asked("POST", b"/before", b"\r")
BEHIND = b"GET /behind HTTP/1.1\r\nHost: a\r\n\r\n"
BEHIND_ASKS = Asked("GET", b"/behind")

LONG = 512  # bytes; a longer case is one byte or one line many times over, and is not cut at every position,
BORDER = 40  # but at those so near to its ends, which is where it passes its limit,
SPREAD = 40  # and at about so many between them


class Stream(NamedTuple):
    """A case as it is sent: `data[start:end]` is the case, `before` and `behind` what stands around it."""

    variant: str
    data: bytes
    start: int
    end: int
    before: list[Asked]
    behind: list[Asked]


class Way(NamedTuple):
    """How a stream is cut into pieces."""

    name: str
    pieces: list[bytes]


def streams(case: Case) -> list[Stream]:
    """The case and what stands around it."""
    data, size, at = case.data, len(case.data), len(BEFORE)
    return [
        Stream("alone", data, 0, size, [], []),
        Stream("behind a good request", BEFORE + data, at, at + size, [BEFORE_ASKS], []),
        Stream("before another request", data + BEHIND, 0, size, [], [BEHIND_ASKS]),
        Stream("between two requests", BEFORE + data + BEHIND, at, at + size, [BEFORE_ASKS], [BEHIND_ASKS]),
    ]


def ways(case: Case) -> Iterator[tuple[Stream, Way]]:
    """Every way in which a case is sent. Cut alone and between two requests: the others have the same cuts."""
    for stream in streams(case):
        yield from ((stream, way) for way in uncut(stream))
        if bool(stream.before) == bool(stream.behind):
            yield from ((stream, way) for way in cut(stream))


def uncut(stream: Stream) -> Iterator[Way]:
    """Whole, and the case byte by byte. Of a long case, a handful at a time."""
    data, start = stream.data, stream.start
    step = 1 if stream.end - start <= LONG else 97
    yield Way("whole", [data])
    pieces = [data[at : at + step] for at in range(start, len(data), step)]
    yield Way("byte by byte", [data[:start], *pieces] if start else pieces)


def cut(stream: Stream) -> Iterator[Way]:
    """In two, at every position of the case, its ends included; of a long one, at some."""
    data, start, end = stream.data, stream.start, stream.end
    step = 1 if end - start <= LONG else (end - start) // SPREAD
    for at in range(max(start, 1), min(end + 1, len(data))):
        if at - start <= BORDER or end - at <= BORDER or not at % step:
            yield Way(f"cut at {at - start} of {end - start}", [data[:at], data[at:]])


def matches(asked: list[Asked], wanted: list[Asked]) -> bool:
    """Whether these requests came, as far as they are described."""
    return len(asked) == len(wanted) and all(
        one[:4] == other[:4]
        and (other.fields is None or one.fields == other.fields)
        and (other.trailers is None or one.trailers == other.trailers)
        for one, other in zip(asked, wanted, strict=True)
    )


# The parser.


def taken(outcome: Taken) -> Asked:
    method, target, version, fields, body, trailers = outcome
    return Asked(method, target, body, version, fields, trailers or [])


def fault_of_parser(case: Case, stream: Stream, outcomes: list[Outcome]) -> str:
    """What is wrong with what the parser made of it; "" for nothing. The parser knows no closing."""
    wanted = stream.before + case.requests + stream.behind * case.is_valid
    if not case.is_valid:
        if outcomes[-1:] != [Refused(case.status)]:
            return f"{outcomes} instead of a refusal with {case.status}"
        outcomes = outcomes[:-1]
    asked = [taken(outcome) for outcome in outcomes if isinstance(outcome, Taken)]
    if len(asked) != len(outcomes) or not matches(asked, wanted):
        return f"{outcomes} instead of {wanted}"
    return ""


@pytest.mark.parametrize("name", CASES)
def test_the_parser(name: str) -> None:
    case, body_limit = CASES[name], Settings().limit_body_size
    for stream, way in ways(case):
        outcomes = converse(way.pieces, HeadLimits(), body_limit)
        fault = fault_of_parser(case, stream, outcomes)
        assert not fault, f"{name}, {stream.variant}, {way.name}: {fault}\n{case.why}"


# The server.


def fault_of_server(case: Case, stream: Stream, heard: Heard) -> str:
    """What is wrong with what the server made of it; "" for nothing."""
    goes_on = case.is_valid and not case.closes
    wanted = stream.before + case.requests + stream.behind * goes_on
    if not matches(heard.requests, wanted):
        return f"the handler was given {heard.requests} instead of {wanted}"
    replies = heard.replies
    if b"100-continue" in case.data.lower():
        replies = [reply for reply in replies if reply.status != 100]
    statuses = [403 if asked.method == "CONNECT" else 200 for asked in wanted]
    if not case.is_valid:
        statuses.append(case.status)
    if [reply.status for reply in replies] != statuses:
        return f"answered {replies} instead of {statuses}"
    closing = [b""] * len(statuses) if goes_on else [b""] * (len(statuses) - 1) + [b"close"]
    if [reply.connection.replace(b"keep-alive", b"") for reply in replies] != closing:
        return f"Connection is not as it must be: {replies}"
    if heard.has_ended == goes_on:
        return "it closed the connection" if goes_on else "it did not close the connection"
    if not case.is_valid and not replies[-1].body.endswith(b"\n") and not is_head(case):
        return f"the refusal does not say why: {replies[-1]}"
    return ""


def is_head(case: Case) -> bool:
    """Whether the case, a bad one, asks with HEAD, as far as one can tell."""
    return case.data.lstrip(b"\r\n").startswith(b"HEAD ")


def methods(case: Case, stream: Stream) -> tuple[str, ...]:
    """Of the requests that must be answered, and of a refused one."""
    asked = stream.before + case.requests + stream.behind * (case.is_valid and not case.closes)
    refused = () if case.is_valid else ("HEAD" if is_head(case) else "GET",)
    return tuple(each.method for each in asked) + refused


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    with closing(Bench()) as bench:
        yield bench


@pytest.mark.parametrize("name", CASES)
def test_the_server(bench: Bench, name: str) -> None:
    case = CASES[name]
    closes = case.closes or not case.is_valid
    sound: tuple[Stream, Heard] | None = None  # most ways end as the one before did, and that was right
    for stream, way in ways(case):
        try:
            heard = bench.converse(way.pieces, methods(case, stream), closes, stays=way.name == "whole")
            fault = "" if sound == (stream, heard) else fault_of_server(case, stream, heard)
            sound = stream, heard
        except (AssertionError, OSError) as error:
            fault = repr(error)
        assert not fault, f"{name}, {stream.variant}, {way.name}: {fault}\n{case.why}"
    bench.settle()


# What the tests above would not let pass.


def good_case() -> Case:
    asked = [Asked("POST", b"/", b"hello", trailers=[(b"X", b"1")])]
    return Case("valid/a/b", b"POST", "", asked, 0, True, [], False)


def bad_case() -> Case:
    return Case("invalid/a/b", b"GET", "", [], 400, True, [], False)


YES, NO = Reply(200, b"", b"yes\n"), Reply(400, b"close", b"no\n")
GIVEN = Asked("POST", b"/", b"hello", b"HTTP/1.1", [], [(b"X", b"1")])
HEARD = Heard([BEFORE_ASKS, GIVEN, BEHIND_ASKS], [YES, YES, YES], False)
HEARD_NO = Heard([BEFORE_ASKS], [YES, NO], True)


def test_what_is_right_has_no_fault() -> None:
    assert not fault_of_server(good_case(), streams(good_case())[-1], HEARD)
    assert not fault_of_server(bad_case(), streams(bad_case())[-1], HEARD_NO)


@pytest.mark.parametrize(
    "heard",
    [
        HEARD._replace(requests=[BEFORE_ASKS, GIVEN]),
        HEARD._replace(requests=[BEFORE_ASKS, GIVEN, GIVEN, BEHIND_ASKS]),
        HEARD._replace(requests=[BEFORE_ASKS, BEHIND_ASKS, GIVEN]),
        HEARD._replace(requests=[BEFORE_ASKS, GIVEN._replace(method="GET"), BEHIND_ASKS]),
        HEARD._replace(requests=[BEFORE_ASKS, GIVEN._replace(target=b"/b"), BEHIND_ASKS]),
        HEARD._replace(requests=[BEFORE_ASKS, GIVEN._replace(body=b"hell"), BEHIND_ASKS]),
        HEARD._replace(requests=[BEFORE_ASKS, GIVEN._replace(version=b"HTTP/1.0"), BEHIND_ASKS]),
        HEARD._replace(requests=[BEFORE_ASKS, GIVEN._replace(trailers=[]), BEHIND_ASKS]),
        HEARD._replace(replies=[YES, YES]),
        HEARD._replace(replies=[YES, YES, YES, NO]),
        HEARD._replace(replies=[YES, Reply(100, b"", b""), YES, YES]),
        HEARD._replace(replies=[YES, YES._replace(connection=b"close"), YES]),
        HEARD._replace(has_ended=True),
    ],
)
def test_what_is_wrong_with_a_good_case_is_seen(heard: Heard) -> None:
    assert fault_of_server(good_case(), streams(good_case())[-1], heard)


@pytest.mark.parametrize(
    "heard",
    [
        HEARD_NO._replace(requests=[BEFORE_ASKS, BEHIND_ASKS]),
        HEARD_NO._replace(requests=[BEFORE_ASKS, GIVEN]),
        HEARD_NO._replace(requests=[]),
        HEARD_NO._replace(replies=[NO]),
        HEARD_NO._replace(replies=[YES, YES, NO]),
        HEARD_NO._replace(replies=[YES, NO, YES]),
        HEARD_NO._replace(replies=[YES, NO._replace(status=414)]),
        HEARD_NO._replace(replies=[YES, NO._replace(connection=b"")]),
        HEARD_NO._replace(replies=[YES, NO._replace(body=b"")]),
        HEARD_NO._replace(has_ended=False),
    ],
)
def test_what_is_wrong_with_a_bad_case_is_seen(heard: Heard) -> None:
    assert fault_of_server(bad_case(), streams(bad_case())[-1], heard)


@pytest.mark.parametrize(
    ("case", "outcomes"),
    [
        (good_case(), []),
        (good_case(), [Refused(400)]),
        (good_case(), [Waiting("body")]),
        (good_case(), [Taken("POST", b"/", b"HTTP/1.1", [], b"hello", None)]),
        (bad_case(), []),
        (bad_case(), [Refused(414)]),
        (bad_case(), [Waiting("head")]),
        (bad_case(), [Taken("GET", b"/", b"HTTP/1.1", [], b"", None), Refused(400)]),
    ],
)
def test_what_is_wrong_with_the_parser_is_seen(case: Case, outcomes: list[Outcome]) -> None:
    assert fault_of_parser(case, streams(case)[0], outcomes)
