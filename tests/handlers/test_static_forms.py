"""Forms with files, as they come: what browsers, curl and urllib3 write, however it is cut, and what nobody should."""

import subprocess
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.static import forms
from handlers.static.forms import Event, Form, FormError, Part, boundary_of
from reactor import Request, Response, Server

from ..conftest import need

Parts = list[tuple[Part, bytes]]

FIELD = b'Content-Disposition: form-data; name="a"'
FILE = b'Content-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain'


def form(*parts: tuple[bytes, bytes], boundary: bytes = b"xyz") -> bytes:
    """A form of these heads and contents."""
    pieces = [b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, head, content) for head, content in parts]
    return b"".join(pieces) + b"--%b--\r\n" % boundary


def parts_of(events: list[Event]) -> Parts:
    parts: Parts = []
    for event in events:
        if isinstance(event, Part):
            parts.append((event, b""))
        else:
            parts[-1] = (parts[-1][0], parts[-1][1] + event)
    return parts


def parse(data: bytes, boundary: bytes = b"xyz", step: int = 0) -> Parts:
    """The parts of a whole form; `step`: bytes fed at once, 0 for all."""
    parser = Form(boundary)
    events: list[Event] = []
    step = step or max(len(data), 1)
    for start in range(0, len(data), step):
        events += parser.feed(data[start : start + step])
    parser.finish()
    return parts_of(events)


SAMPLE = form((FIELD, b"text"), (FILE, b"\r\n--xy\r\n-\r\r\n--"), (FILE, b""), (FIELD, b"\r\n"))
EXPECTED = [
    (Part("a", None), b"text"), (Part("file", "a.txt"), b"\r\n--xy\r\n-\r\r\n--"), (Part("file", "a.txt"), b""),
    (Part("a", None), b"\r\n"),
]  # fmt: skip


def test_a_form_is_its_parts() -> None:
    assert parse(SAMPLE) == EXPECTED


def test_a_form_is_the_same_at_every_cut() -> None:
    for at in range(len(SAMPLE) + 1):
        parser = Form(b"xyz")
        events = parser.feed(SAMPLE[:at]) + parser.feed(SAMPLE[at:])
        parser.finish()
        assert parts_of(events) == EXPECTED, at


@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_a_form_is_the_same_in_small_pieces(step: int) -> None:
    assert parse(SAMPLE, step=step) == EXPECTED


def test_no_beginning_of_a_form_is_a_form() -> None:
    end = len(SAMPLE) - len(b"\r\n")  # which nothing needs
    for at in [*range(end), end + 1]:
        parser = Form(b"xyz")
        parser.feed(SAMPLE[:at])
        with pytest.raises(FormError, match="no end"):
            parser.finish()
    assert parse(SAMPLE[:end]) == EXPECTED


# As hostile as content can be: made of what delimiters are made of, and without one.
CONTENT = st.lists(st.sampled_from([b"\r\n", b"\r", b"\n", b"--", b"-", b"xy", b"\r\n--xy", b"data"])).map(b"".join)


@given(st.lists(CONTENT.filter(lambda content: b"\r\n--xyz" not in b"\r\n" + content), max_size=5), st.data())
def test_whatever_the_contents_and_the_cuts_are_they_come_out(contents: list[bytes], data: Any) -> None:
    sent = b"before\r\n" + form(*((FIELD, content) for content in contents)) + b"behind"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)))))
    parser = Form(b"xyz")
    events: list[Event] = []
    for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        events += parser.feed(sent[start:stop])
    if contents:
        parser.finish()
        assert [content for _, content in parts_of(events)] == contents
    assert b"" not in events


@given(st.binary(max_size=200), st.integers(0, 200))
def test_bytes_are_a_form_or_refused_and_a_cut_changes_nothing(noise: bytes, cut: int) -> None:
    for sent in (noise, SAMPLE[:cut] + noise, SAMPLE[:cut] + noise + SAMPLE[cut:]):
        verdicts: list[object] = []
        for step in (0, 1):
            try:
                verdicts.append(parse(sent, step=step))
            except FormError as error:
                verdicts.append(str(error))
        assert verdicts[0] == verdicts[1]


# What others write.


def test_what_curl_writes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 500 + b"\r\n--------------------------"
    path = tmp_path / 'quoted "and" böse\\.bin'
    path.write_bytes(content)
    (tmp_path / "empty").touch()

    def handler(request: Request) -> Response:
        return Response(200, request.headers["content-type"].encode() + b"\n" + request.body)

    with Server(handler, bind="127.0.0.1:0") as server:
        quoted = str(path).replace("\\", "\\\\").replace('"', '\\"')
        fields = ["-F", "note=ü 1", "-F", f'file=@"{quoted}"', "-F", "file=@empty;filename=other;type=a/b"]
        command = [need("curl"), "-sS", "--max-time", "10", *fields, server.url]
        said = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path, timeout=20).stdout
    content_type, _, body = said.partition(b"\n")
    boundary = boundary_of(content_type.decode())
    assert boundary is not None
    expected = [(Part("note", None), "ü 1".encode()), (Part("file", path.name), content), (Part("file", "other"), b"")]
    assert parse(body, boundary) == expected


def test_what_urllib3_writes() -> None:
    filepost = pytest.importorskip("urllib3.filepost")
    sent = [("note", "ü"), ("file", ("a\r\nb\"c\\ü.txt", b"\r\n--\r\n", "text/plain")), ('q"', ("e", b""))]
    body, content_type = filepost.encode_multipart_formdata(sent)
    assert parse(body, boundary_of(content_type) or b"", step=5) == [
        (Part("note", None), "ü".encode()), (Part("file", "a\r\nb\"c\\ü.txt"), b"\r\n--\r\n"), (Part('q"', "e"), b""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sent", "part"),
    [
        (b'form-data; name="a"', Part("a", None)),
        (b"FORM-DATA;NAME=a;FileName=b", Part("a", "b")),
        (b'form-data ;\tname="" ;  filename=""  ', Part("", "")),
        (b'form-data; name="a;b=\\"; filename="C:\\b;.txt"', Part("a;b=\\", "C:\\b;.txt")),
        (b'form-data; name="a"; filename="b"; filename*=utf-8\'\'c', Part("a", "b")),
        (b"form-data; name=a; filename*=utf-8''c", Part("a", None)),
        (b'form-data; name="%22%0D%0A%25%41%0d%"', Part('"\r\n%25%41%0d%', None)),
        ("form-data; name=a; filename=\"ü€\"".encode(), Part("a", "ü€")),
        (b'form-data; name=a; filename="\xff/../x"', Part("a", "\udcff/../x")),
    ],
)  # fmt: skip
def test_names_are_read_as_browsers_write_them(sent: bytes, part: Part) -> None:
    assert parse(form((b"content-disposition:" + sent, b"x"))) == [(part, b"x")]


@pytest.mark.parametrize("coding", [b"binary", b"8bit", b"7BIT"])
def test_a_transfer_encoding_that_changes_nothing_is_taken(coding: bytes) -> None:
    assert parse(form((FIELD + b"\r\nContent-Transfer-Encoding: " + coding, b"="))) == [(Part("a", None), b"=")]


# What is refused.


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"--xyz", "no end"),
        (SAMPLE[:-4], "no end"),
        (SAMPLE.replace(b"--xyz--", b"--xyz-x"), "followed by something else than CRLF or two hyphens"),
        (SAMPLE.replace(b"--xyz\r\n", b"--xyz\n"), "followed by something else than CRLF or two hyphens"),
        (SAMPLE.replace(b"--xyz\r\n", b"--xyz \r\n"), "followed by something else than CRLF or two hyphens"),
        (form((FIELD, b"\r\n--xyzz")), "followed by something else than CRLF or two hyphens"),
        (SAMPLE[:-2] + b"behind", "last delimiter is followed by something else"),
        (SAMPLE[:-2] + b"\rx", "last delimiter is followed by something else"),
        (SAMPLE[:-2] + b"\n", "last delimiter is followed by something else"),
        (b"\r\n" + SAMPLE.replace(b"\r\n", b"\n"), "followed by something else"),
        (form((b"", b"x")), "no field, or has a control"),
        (form((b"X: y", b"x")), "cannot be read"),
        (form((b"X: y\r\n " + FIELD, b"x")), "no field, or has a control"),
        (form((FIELD + b"\r\n folded: x", b"x")), "no field, or has a control"),
        (form((FIELD + b"\r\nno colon", b"x")), "no field, or has a control"),
        (form((FIELD + b"\r\nX : y", b"x")), "no field, or has a control"),
        (form((FIELD + b"\r\nX: \x00", b"x")), "no field, or has a control"),
        (form((FIELD + b"\nX: y", b"x")), "no field, or has a control"),
        (form((FIELD + b"\r\n" + FIELD, b"x")), "a field is twice"),
        (form((FIELD + b"\r\nContent-Transfer-Encoding: base64", b"x")), "Content-Transfer-Encoding"),
        (form((FIELD + b"; name=b", b"x")), "says something twice"),
        (form((FIELD + b"; x", b"x")), "cannot be read"),
        (form((FIELD + b";", b"x")), "cannot be read"),
        (form((FIELD + b'; filename="a\\"b"', b"x")), "cannot be read"),
        (form((FIELD + b'; filename="a', b"x")), "cannot be read"),
        (form((b"Content-Disposition: form-data; filename=a", b"x")), "no field of a form"),
        (form((b"Content-Disposition: attachment; name=a", b"x")), "no field of a form"),
    ],
)
def test_what_is_no_form_is_refused(sent: bytes, why: str) -> None:
    for step in (0, 1):
        with pytest.raises(FormError, match=why):
            parse(sent, step=step)


def test_what_is_around_a_form_is_none_of_it() -> None:
    assert parse(b"before\r\n" + SAMPLE + b"behind") == EXPECTED


def before(size: int) -> bytes:
    """So many bytes in front of a form, the line that begins with it counted."""
    return b"x" * (size - 2) + b"\r\n"


def padded(size: int) -> bytes:
    """A head of this size."""
    return FIELD + b"\r\nX: " + b"x" * (size - len(FIELD) - 5)


@pytest.mark.parametrize(
    ("most", "more", "why"),
    [
        (before(forms.AROUND_LIMIT) + SAMPLE, before(forms.AROUND_LIMIT + 1) + SAMPLE, "in front of"),
        (SAMPLE + b"x" * (forms.AROUND_LIMIT - 2), SAMPLE + b"x" * (forms.AROUND_LIMIT - 1), "behind the form"),
        (form((padded(forms.HEAD_LIMIT - 2), b"")), form((padded(forms.HEAD_LIMIT - 1), b"")), "in the head of a part"),
        (
            form((FIELD + b"".join(b"\r\nX%d: y" % n for n in range(forms.LINES_LIMIT - 1)), b"")),
            form((FIELD + b"".join(b"\r\nX%d: y" % n for n in range(forms.LINES_LIMIT)), b"")),
            "lines",
        ),
        (form(*[(FIELD, b"")] * forms.PARTS_LIMIT), form(*[(FIELD, b"")] * (forms.PARTS_LIMIT + 1)), "parts"),
    ],
    ids=["preamble", "epilogue", "head", "lines", "parts"],
)
def test_each_limit_is_what_it_says(most: bytes, more: bytes, why: str) -> None:
    for step in (0, 1):
        assert parse(most, step=step)
        with pytest.raises(FormError, match=why):
            parse(more, step=step)


def test_what_never_ends_is_refused_as_soon_as_it_is_too_long() -> None:
    for start, limit in ((b"", forms.AROUND_LIMIT), (b"--xyz\r\n", forms.HEAD_LIMIT)):
        parser = Form(b"xyz")
        parser.feed(start + b"x" * limit)
        with pytest.raises(FormError, match="more than"):
            parser.feed(b"x" * 10)


def test_the_time_is_linear_in_the_bytes_whatever_they_are() -> None:
    def took(data: bytes, step: int) -> float:
        began = process_time()
        parse(form((FIELD, data), boundary=b"-" * 70), b"-" * 70, step)
        return process_time() - began

    hostile = b"\r\n" + b"-" * 70 + b"+"  # nearly a delimiter, all the time
    for step in (1, 0):
        size = 2000 if step else 20_000
        assert took(hostile * size, step) < 20 * max(took(hostile * (size // 4), step), 0.01)


# The boundary.


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTr", b"----WebKitFormBoundary7MA4YWxkTr"),
        ('Multipart/Form-Data;charset=utf-8; Boundary="a b(c):?="', b"a b(c):?="),
        ("multipart/form-data; boundary=" + "x" * 70, b"x" * 70),
        ("multipart/form-data \t; boundary=x ", b"x"),
        ("multipart/mixed; boundary=x", None),
        ("application/x-www-form-urlencoded", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_boundary_is_the_content_types(content_type: str, boundary: bytes | None) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "parameters",
    [
        "", "; boundary=", '; boundary=""', '; boundary="x "', "; boundary=" + "x" * 71, "; boundary=x%y",
        "; boundary=ü", '; boundary="x\\"y"', "; boundary=x; boundary=x", "; boundary=x;", '; boundary="x',
        "; boundary x",
    ],
)  # fmt: skip
def test_a_boundary_that_cannot_be_one_is_refused(parameters: str) -> None:
    with pytest.raises(FormError):
        boundary_of("multipart/form-data" + parameters)
