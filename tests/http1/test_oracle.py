"""h11 as oracle: what we take, it takes with the same meaning; where it takes what we refuse, here is why.

h11 is asked as a server. It differs from us in three harmless ways, evened out before comparing: it takes no empty
line in front of a request, writes the transfer coding in lower case, and keeps the fields' names aside.
"""

import re

import h11
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .samples import BAD, GOOD, Outcome, Refused, Taken, Waiting, converse
from .test_every_cut import PARTS

# What h11 takes and we refuse, with the reason.
STRICTER: dict[str, str] = {
    "five empty lines in front": "RFC 9112 2.2 has at least one ignored; a peer that goes on sending them says nothing",
    "bare LF": "RFC 9112 2.2 lets a recipient take LF for CRLF; another may not, and frame it otherwise",
    "bare LF behind the request line": "as above",
    "HTTP/0.9": "RFC 9112 2.3 and RFC 9110 2.5: another major version is another protocol; 505",
    "HTTP/2.0": "as above",
    "HTTP/3.1": "as above",
    "HTTP/2 preface": "RFC 9113 3.4: made to fail in a server of HTTP/1.1",
    "fragment": "RFC 9112 3.2: no form of target has one",
    "asterisk with GET": "RFC 9112 3.2.4: asterisk-form is for OPTIONS",
    "asterisk and more": "RFC 9112 3.2: none of the four forms",
    "authority with GET": "RFC 9112 3.2.3: authority-form is for CONNECT",
    "CONNECT with a path": "RFC 9112 3.2.3",
    "CONNECT with a URL": "RFC 9112 3.2.3",
    "CONNECT without a port": "RFC 9110 9.3.6: there is no default port",
    "CONNECT with an empty port": "RFC 9110 9.3.6: a server must reject it",
    "CONNECT, v6, without a port": "RFC 9110 9.3.6",
    "CONNECT with a large port": "RFC 9110 9.3.6: a server must reject it",
    "relative": "RFC 9112 3.2: none of the four forms",
    "query alone": "RFC 9112 3.2.1: a path begins with a slash",
    "absolute, ftp": "RFC 9110 4.2: neither http nor https; we are no proxy",
    "absolute, no authority": "RFC 9110 4.2.1: an empty host must be rejected",
    "absolute, one slash": "RFC 9110 4.2.1",
    "absolute, userinfo": "RFC 9110 4.2.4: likely there to obscure the authority",
    "absolute, bad port": "RFC 3986 3.2.3, and no such port exists",
    "absolute, empty Host": "RFC 9110 7.2: where the target has an authority, Host is that",
    "request line over its limit": "RFC 9112 3: 414; h11 has one limit for the head",
    "request line over its limit, behind an empty line": "as above",
    "folded": "RFC 9112 5.2: a server must reject obs-fold, or replace it",
    "folded with a tab": "as above",
    "blank folded line": "as above",
    "LF ends a line": "RFC 9112 2.2, as with every bare LF",
    "LF at the end of value": "as above",
    "control byte in value": "RFC 9110 5.5: CTL is no field-content; h11 lets them pass for old cookies",
    "DEL in value": "as above",
    **dict.fromkeys([name for name in BAD if name.startswith("Host")], "RFC 9112 3.2: an invalid Host is a 400"),
    "no Host in HTTP/1.2": "RFC 9112 2.3: a later minor version is treated as 1.1, which needs it",
    "head over its limit": "RFC 6585 5: 431; h11's limit is a setting, here a large one",
    "head over its limit, behind an empty line": "as above",
    "fields over their limit": "as above; h11 has no such limit",
    "Connection that is no list": "RFC 9110 7.6.1: a list of tokens; whether that says close is anybody's guess",
    "Connection with a space in a token": "as above",
    "two Authorizations": "RFC 9110 5.3: a singleton; which one counts is anybody's guess",
    "two Content-Types": "RFC 9110 8.3: as above",
    "two Ranges": "RFC 9110 14.2: as above",
    "another expectation": "RFC 9110 10.1.1: 417",
    "empty expectation": "as above",
    "two expectations": "as above, and a singleton",
    "length list": "RFC 9112 6.3 lets a recipient take a list of equal numbers; another may not",
    "two equal lengths": "as above",
    "both framings": "RFC 9112 6.1: may be rejected, and is what smuggling is made of",
    "both framings, length first": "as above",
    "chunked in HTTP/1.0": "RFC 9112 6.1: its framing is to be treated as faulty",
    "chunk size, space behind": "RFC 9112 7.1: there is no white space there; h11 takes it for old servers' sake",
    "chunk size, tab behind": "as above",
    "chunk size of 16 digits": "RFC 9112 7.1: mind the overflow; h11 stops at 20 digits",
    "chunk extension with NUL": "RFC 9112 7.1.1: an extension is tokens and quoted strings; h11 skips any bytes",
    "chunk extension with CR": "as above, and RFC 9112 2.2 forbids bare CR",
    "chunk extension, quote open": "as above",
    "chunk extension empty": "as above",
    "chunk extension without value": "as above",
    "chunk extension without name": "as above",
    "chunk extension with space": "as above: bad white space",
    "chunk line too long": "RFC 9112 7.1.1: a limit on the length of extensions; h11 has only its buffer's",
    "chunks above the limit": "RFC 9110 15.5.14: 413",
    "trailer folded": "RFC 9112 5.2, as in a head",
    "trailer with LF": "RFC 9112 2.2, as in a head",
    "trailers ended by LF": "as above",
    "last chunk ended by LF": "as above",
    "Content-Length in trailers": "RFC 9110 6.5.1: what frames a message is no trailer",
    "Transfer-Encoding in trailers": "as above",
    "Host in trailers": "RFC 9110 6.5.1: what routes a message is no trailer",
    "two Expects in trailers": "a singleton, as in a head",
    "too many trailers": "RFC 6585 5: 431; h11 has no such limit",
    "trailers too large": "as above",
    "trailers too large, then a fault": "as above, and the fault",
}


def ask_h11(data: bytes) -> Outcome:
    """What h11 makes of the first request in `data`."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    request: h11.Request | None = None
    body = b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return Refused(error.error_status_hint)
        if isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            assert request is not None
            pairs = [(name.lower(), value) for name, value in request.headers]
            trailers = [(name.lower(), value) for name, value in event.headers]
            version = b"HTTP/" + request.http_version
            return Taken(request.method.decode(), request.target, version, pairs, body, trailers)
        else:
            return Waiting("head" if request is None else "body")


def evened(outcome: Taken) -> Taken:
    """Ours, as h11 says it."""
    pairs = [(name.lower(), value) for name, value in outcome.fields]
    pairs = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in pairs]
    trailers = [(name.lower(), value) for name, value in outcome.trailers or []]
    return outcome._replace(fields=pairs, trailers=trailers)


def without_blank_lines(data: bytes) -> bytes:
    return re.sub(rb"\A(?:\r\n)+", b"", data)


@pytest.mark.parametrize("name", GOOD)
def test_what_we_take_it_takes_with_the_same_meaning(name: str) -> None:
    ours = converse([GOOD[name]])[0]
    assert isinstance(ours, Taken)
    assert ask_h11(without_blank_lines(GOOD[name])) == evened(ours)


@pytest.mark.parametrize("name", BAD)
def test_what_we_refuse_it_refuses_or_there_is_a_reason(name: str) -> None:
    data, _ = BAD[name]
    takes_it = isinstance(ask_h11(without_blank_lines(data)), Taken)
    assert takes_it == (name in STRICTER), "h11 takes it: why do we not?" if takes_it else "it has no need of a reason"


def test_the_reasons_are_for_samples_there_are() -> None:
    assert STRICTER.keys() <= BAD.keys()


def agree(data: bytes) -> None:
    ours = converse([data])
    if ours and isinstance(ours[0], Taken):
        assert ask_h11(without_blank_lines(data)) == evened(ours[0])


BODIES = ["hello", "5\r\nhello\r\n", "0\r\n", "0\r\n\r\n", "a;b=c\r\n0123456789\r\n", "X: y\r\n", "\r\n"]
FIELDS = [
    *("Host: a", "Host:a:80", "Host: [::1]", "host:", "X: y", "X:", "x:\tz ", "Accept: a", "Cookie: b; c"),
    "Connection: close",
    *("Connection: Upgrade", "Upgrade: x", "Content-Length: 5", "Content-Length: 05", "Content-Length: 0"),
    "Content-Length: +5",
    *("Transfer-Encoding: chunked", "Transfer-Encoding: Chunked", "transfer-encoding: x", "Expect: 100-continue"),
    "X: \x80\xff",
    *("X : y", " X: y", "X: a\tb", "X: a\x0bb", "X: a\x1cb", "X: \x85", "X: \xa0y\xa0", "Keep-Alive: 5"),
    *("TE: trailers", "Trailer: x"),
]


@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS", "CONNECT", "get", "M-SEARCH", "!"]),
    target=st.sampled_from(["/", "/a?b", "*", "a:443", "http://b/c", "/#", '/"^`{|}', "//", "/%", "http://u@b/"]),
    version=st.sampled_from(["1.1", "1.1", "1.1", "1.0", "1.2", "2.0", "1.10"]),
    fields=st.lists(st.sampled_from(FIELDS), max_size=4),
    body=st.lists(st.sampled_from(BODIES), max_size=4),
    flaw=st.none() | st.tuples(st.integers(0, 200), st.binary(max_size=1), st.integers(0, 1)),
)
@example("POST", "/", "1.1", ["Host: a", "Transfer-Encoding: chunked"], ["5\r\nhello\r\n", "0\r\n\r\n"], None)
def test_nearly_valid_requests_mean_the_same(
    method: str, target: str, version: str, fields: list[str], body: list[str], flaw: tuple[int, bytes, int] | None
) -> None:
    lines = [f"{method} {target} HTTP/{version}", "Host: a", *fields, "", "".join(body)]
    data = "\r\n".join(lines).encode("latin-1")
    agree(data)
    if flaw is not None:
        at, instead, skip = flaw
        agree(data[:at] + instead + data[at + skip :])


@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=3), max_size=14))
def test_nearly_valid_streams_mean_the_same(parts: list[bytes]) -> None:
    agree(b"".join(parts))
