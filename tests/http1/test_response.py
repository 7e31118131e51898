"""Responses: what they take, what they refuse, and what their heads look like on the wire."""

import io
from array import array
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from reactor.http1.response import REASONS, FileBody, Response


def test_the_plainest() -> None:
    response = Response()
    assert (response.status, response.body, response.headers, response.length) == (200, b"", (), 0)
    assert response.wire_head == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
    assert repr(response) == "<Response 200, 0 bytes>"


@pytest.mark.parametrize(
    ("body", "sent", "content_type"),
    [
        (b"abc", b"abc", "application/octet-stream"),
        (bytearray(b"abc"), b"abc", "application/octet-stream"),
        (memoryview(b"abc"), b"abc", "application/octet-stream"),
        ("é", b"\xc3\xa9", "text/plain; charset=utf-8"),
        ("", b"", "text/plain; charset=utf-8"),
        (b"", b"", None),
        (bytearray(), b"", None),
    ],
)
def test_bodies_of_bytes_and_text(body: Any, sent: bytes, content_type: str | None) -> None:
    response = Response(200, body)
    assert response.body == sent
    assert type(response.body) is bytes
    assert response.length == len(sent)
    assert dict(response.headers).get("Content-Type") == content_type
    assert Response(200, body, content_type="a/b").headers == (("Content-Type", "a/b"),)


def test_the_length_of_a_memoryview_is_in_bytes() -> None:
    wide = array("Q", [1, 2, 3])
    response = Response(200, memoryview(wide))
    assert response.body == wide.tobytes()
    assert response.length == 24
    assert b"Content-Length: 24\r\n" in response.wire_head


def test_a_body_that_changes_later_does_not_change_what_is_sent() -> None:
    body = bytearray(b"abc")
    response = Response(200, body)
    body[:] = b"x" * 100
    assert response.body == b"abc"


def test_an_iterable_is_sent_chunked_or_of_a_known_length() -> None:
    response = Response(200, [b"a", b"b"])
    assert response.length is None
    assert b"Content-Length" not in response.wire_head
    assert list(response.body) == [b"a", b"b"]  # type: ignore[arg-type]  # an iterator
    assert repr(response) == "<Response 200, some bytes>"
    response = Response(200, iter([b"a"]), length=1)
    assert response.length == 1
    assert b"Content-Length: 1\r\n" in response.wire_head
    assert Response(200, (b"a" for _ in range(1)), length=0).length == 0


def test_a_file_is_sent_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.seek(3)
        body = Response(200, file).body
        assert isinstance(body, FileBody)
        assert (body.file, body.offset, body.length) == (file, 3, 7)
        file.seek(3)
        response = Response(200, file, length=2)
        assert response.length == 2
        response = Response(206, FileBody(file, 1, 2))
        assert response.length == 2
        assert b"Content-Length: 2\r\n" in response.wire_head
        assert FileBody(file).length == 10
        body.close()
        assert file.closed


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, -1), (11, None)])
def test_a_part_of_a_file_that_is_none_is_refused(offset: int, length: int | None) -> None:
    with pytest.raises(ValueError, match="a FileBody begins at 0"):
        FileBody(io.BytesIO(b"0123456789"), offset, length)


def test_a_file_in_text_mode_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("é")
    with path.open(encoding="latin-1") as file, pytest.raises(TypeError, match="binary mode"):
        Response(200, file)
    with pytest.raises(TypeError, match="binary mode"):
        Response(200, io.StringIO("é"))


@pytest.mark.parametrize("body", [None, 5, {"a": 1}, object()])
def test_what_is_no_body(body: Any) -> None:
    with pytest.raises(TypeError, match="a body is bytes"):
        Response(200, body)


def test_a_length_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="a length is 0 or more"):
        Response(200, [b"a"], length=-1)


@pytest.mark.parametrize("status", [100, 101, 199, 600, 0, -200, True, 200.0, "200", None])
def test_a_final_status_is_needed(status: Any) -> None:
    with pytest.raises(ValueError, match="a final status"):
        Response(status)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_some_answers_have_no_body(status: int) -> None:
    bodies: list[Iterable[bytes] | bytes | str] = [b"x", "x", [b"x"]]
    for body in bodies:
        with pytest.raises(ValueError, match=f"a {status} has no body"):
            Response(status, body)
    head = Response(status).wire_head
    assert (b"Content-Length: 0\r\n" in head) is (status == 205)


@pytest.mark.parametrize("status", sorted(REASONS.keys() - {101}))
def test_status_lines(status: int) -> None:
    assert Response(status).wire_head.startswith(f"HTTP/1.1 {status} {REASONS[status]}\r\n".encode())


def test_a_status_nobody_registered_has_an_empty_reason() -> None:
    assert Response(299).wire_head.startswith(b"HTTP/1.1 299 \r\n")  # the space is in the ABNF
    assert Response(599).wire_head.startswith(b"HTTP/1.1 599 \r\n")


def test_headers_are_a_mapping_or_pairs() -> None:
    wanted = (("X-A", "1"), ("Set-Cookie", "é\t b"))
    assert Response(200, b"", dict(wanted)).headers == wanted
    assert Response(200, b"", list(wanted)).headers == wanted
    response = Response(200, "x", iter(wanted))
    assert response.headers == (("Content-Type", "text/plain; charset=utf-8"), *wanted)
    assert response.wire_head == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"X-A: 1\r\nSet-Cookie: \xe9\t b\r\n"
    )


BAD_NAMES = ["", " ", "a b", "a:", ":a", "a\r", "a\nb", "\x00", "é", "a\x7f", "(a)", "\u20ac", " a", "a "]
BAD_VALUES = ["a\r\nX: b", "a\nb", "a\rb", "\n", "a\x00", "\x1b[31m", "\x7f", "\u20ac", "a\x0b", "\u2028", "\u560d"]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_what_is_no_name_never_reaches_the_wire(name: str) -> None:
    with pytest.raises(ValueError, match="a header is"):
        Response(200, b"", {name: "x"})


@pytest.mark.parametrize("value", BAD_VALUES)
def test_what_is_no_value_never_reaches_the_wire(value: str) -> None:
    with pytest.raises(ValueError, match="a header is"):
        Response(200, b"", {"X": value})
    with pytest.raises(ValueError, match="a header is"):
        Response(200, b"x", content_type=value)
    with pytest.raises(ValueError, match="a header is"):
        Response().with_headers({"X": value})


def test_every_control_byte_is_refused_in_a_value() -> None:
    refused = []
    for number in range(256):
        try:
            Response(200, b"", {"X": f"a{chr(number)}b"})
        except ValueError:
            refused.append(number)
    assert refused == [*range(9), *range(10, 32), 127]


@pytest.mark.parametrize("pair", [("X", b"y"), (b"X", "y"), ("X", 5), ("X", None)])
def test_a_header_is_text(pair: Any) -> None:
    with pytest.raises(TypeError, match="a header is a pair of str"):
        Response(200, b"", [pair])


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "content-length", "Content-Type", "DATE", "Keep-Alive", "Transfer-Encoding"),
        "Upgrade",
    ],
)
def test_what_is_the_servers_is_refused_with_what_to_do_instead(name: str) -> None:
    with pytest.raises(ValueError, match=f"a handler does not set {name}: "):
        Response(200, b"", {name: "x"})
    with pytest.raises(ValueError, match=f"a handler does not set {name}: "):
        Response().with_headers([(name, "x")])


def test_more_headers_make_another_response() -> None:
    response = Response(404, "x", {"A": "1"})
    other = response.with_headers({"B": "2"})
    assert response.headers[1:] == (("A", "1"),)
    assert other.headers[1:] == (("A", "1"), ("B", "2"))
    assert (other.status, other.body, other.length) == (404, b"x", 1)
    assert other.wire_head == response.wire_head + b"B: 2\r\n"


def test_with_another_body() -> None:
    response = Response(200, b"abc", {"A": "1"}, content_type="text/plain")
    assert response.with_body(b"xyz").wire_head == response.wire_head
    other = response.with_body(FileBody(io.BytesIO(b"0123456789"), 2, 5), [("B", "2"), ("A", "3")])
    assert (other.status, other.length) == (200, 5)
    assert isinstance(other.body, FileBody)
    assert other.headers == (("Content-Type", "text/plain"), ("A", "1"), ("B", "2"), ("A", "3"))
    whole = Response(200, b"01234", [("A", "1"), ("B", "2"), ("A", "3")], content_type="text/plain")
    assert other.wire_head == whole.wire_head
    assert other.with_headers({"C": "4"}).wire_head == whole.with_headers({"C": "4"}).wire_head
    assert (response.body, response.length, len(response.headers)) == (b"abc", 3, 2)
    with pytest.raises(ValueError, match="a header is a token and a value"):
        response.with_body(b"", [("X", "a\r\nb")])
    with pytest.raises(ValueError, match="a handler does not set Date"):
        response.with_body(b"", {"Date": "x"})


def test_a_response_cannot_be_changed() -> None:
    response = Response()
    for name in ("status", "headers", "body", "length", "wire_head"):
        with pytest.raises(AttributeError):
            setattr(response, name, None)


def test_a_response_that_is_not_sent_gives_up_its_body() -> None:
    file = io.BytesIO(b"abc")
    Response(200, file).close()
    assert file.closed
    Response(200, b"abc").close()
    pieces = (piece for piece in [b"a", b"b"])
    Response(200, pieces).close()
    assert list(pieces) == []


def test_the_iterator_is_the_bodys_own() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"

    body = pieces()
    assert Response(200, body).body is body


def test_a_status_may_be_an_http_status() -> None:
    response = Response(HTTPStatus.NOT_FOUND)
    assert type(response.status) is int
    assert response.wire_head.startswith(b"HTTP/1.1 404 Not Found\r\n")


def test_a_length_that_is_not_the_bodys_is_refused() -> None:
    with pytest.raises(ValueError, match="a body of 3 bytes cannot have length=4"):
        Response(200, b"abc", length=4)
    with pytest.raises(ValueError, match="a body of 3 bytes cannot have length=4"):
        Response(200, FileBody(io.BytesIO(b"abc")), length=4)
    assert Response(200, b"abc", length=3).length == 3


def test_only_a_426_says_upgrade() -> None:
    response = Response(426, "", {"Upgrade": "websocket"})
    assert response.headers[-1] == ("Upgrade", "websocket")
    assert b"\r\nConnection: Upgrade\r\n" in response.wire_head  # RFC 9110 7.8
    with pytest.raises(ValueError, match="a handler does not set Upgrade"):
        Response(200, "", {"Upgrade": "websocket"})


def test_a_response_given_up_closes_its_body() -> None:
    file = io.BytesIO(b"abc")
    Response(200, file).close()
    assert file.closed
    Response(200, b"abc").close()


def test_an_iterable_with_a_close_is_iterated_and_closed() -> None:
    class Body:
        is_closed = False

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a"])

        def close(self) -> None:
            self.is_closed = True

    body = Body()
    response = Response(200, body)
    iterator = response.body
    assert isinstance(iterator, Iterator)
    assert iter(iterator) is iterator
    assert list(iterator) == [b"a"]
    response.close()
    assert body.is_closed
