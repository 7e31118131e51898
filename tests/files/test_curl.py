"""curl: resumed, in ranges, coded, on conditions, and upwards."""

import email
import email.policy
import gzip
import os
from email.message import Message
from pathlib import Path

import pytest

from tests.conftest import absent

from .clients import KIB, MIB, answered, digest, noise, run, serving

SIZE = 3 * MIB
LATER = 1_000_000_000  # seconds since 1970: long before any test


def curl(*arguments: str | Path, cwd: Path, expect: int = 0) -> bytes:
    """What curl prints; it fails where the server says 400 or more."""
    return run("curl", "-qsS", "--fail-with-body", *arguments, cwd=cwd, expect=expect).stdout


# --- parts


@pytest.mark.parametrize("had", [1, SIZE // 2, SIZE - 1])
def test_a_broken_download_is_resumed(site: Path, desk: Path, had: int) -> None:
    (site / "file").write_bytes(noise(SIZE))
    (desk / "file").write_bytes(noise(SIZE)[:had])
    with serving(site) as program:
        curl("-C", "-", "-o", "file", f"{program.url}/file", cwd=desk)
        program.await_said(rf"GET /file 206 {SIZE - had} B", "stdout")
    assert digest(desk / "file") == digest(site / "file")


def test_what_is_here_already_is_not_sent_again(site: Path, desk: Path) -> None:
    (site / "file").write_bytes(noise(SIZE))
    (desk / "file").write_bytes(noise(SIZE))
    with serving(site) as program:
        run("curl", "-qsS", "-C", "-", "-o", "file", f"{program.url}/file", cwd=desk)
        program.await_said(r"GET /file 416 ", "stdout")
    assert digest(desk / "file") == digest(site / "file")


@pytest.mark.parametrize(
    ("asked_for", "sent"),
    [("0-0", slice(0, 1)), ("1000-66535", slice(1000, 66536)), ("-100", slice(SIZE - 100, SIZE)),
     (f"{SIZE - 7}-", slice(SIZE - 7, SIZE)), (f"5-{SIZE * 9}", slice(5, SIZE))],
)  # fmt: skip
def test_a_range(site: Path, desk: Path, asked_for: str, sent: slice) -> None:
    (site / "file").write_bytes(noise(SIZE))
    with serving(site) as program:
        got = curl("-r", asked_for, f"{program.url}/file", cwd=desk)
    assert got == noise(SIZE)[sent]


def test_a_range_behind_the_end(site: Path, desk: Path) -> None:
    (site / "file").write_bytes(b"x" * 100)
    with serving(site) as program:
        head = curl("-r", "100-", "-D", "-", "-o", "body", f"{program.url}/file", cwd=desk, expect=22)
    assert head.startswith(b"HTTP/1.1 416 ")
    assert b"\r\nContent-Range: bytes */100\r\n" in head


def test_several_ranges(site: Path, desk: Path) -> None:
    """Read by the standard library's reader of mail, which knows nothing of HTTP."""
    (site / "file.bin").write_bytes(noise(SIZE))
    with serving(site) as program:
        url = f"{program.url}/file.bin"
        head = curl("-r", "0-99,1000000-1070000,-50", "-D", "-", "-o", "body", url, cwd=desk)
    fields = email.message_from_bytes(head.partition(b"\r\n")[2], policy=email.policy.HTTP)
    body = (desk / "body").read_bytes()
    assert head.startswith(b"HTTP/1.1 206 ")
    assert fields["Content-Length"] == str(len(body))
    assert "Content-Range" not in fields
    message = email.message_from_bytes(b"Content-Type: %b\r\n\r\n%b" % (fields["Content-Type"].encode(), body))
    assert message.get_content_type() == "multipart/byteranges"
    assert message.defects == []
    parts = message.get_payload()
    assert isinstance(parts, list)
    seen = [(part["Content-Range"], part.get_payload(decode=True)) for part in parts if isinstance(part, Message)]
    assert seen == [
        (f"bytes {start}-{stop - 1}/{SIZE}", noise(SIZE)[start:stop])
        for start, stop in ((0, 100), (1_000_000, 1_070_001), (SIZE - 50, SIZE))
    ]


# --- codings


def stored_br(data: bytes) -> bytes:
    """Brotli (RFC 7932) that leaves up to 64 KiB as they are: a window of 64 KiB, one raw meta-block, an empty last."""
    return (len(data) - 1 << 4 | 1 << 20).to_bytes(3, "little") + data + b"\x03"


def stored_zst(data: bytes) -> bytes:
    """Zstandard (RFC 8878) that leaves up to 128 KiB as they are: one segment, its size in 4 bytes, one raw block."""
    size = len(data).to_bytes(4, "little")
    return b"\x28\xb5\x2f\xfd\xa0" + size + (len(data) << 3 | 1).to_bytes(3, "little") + data


CODINGS = {"br": (".br", stored_br), "zstd": (".zst", stored_zst), "gzip": (".gz", gzip.compress)}


@pytest.mark.parametrize("coding", CODINGS)
def test_a_coded_sibling_arrives_as_the_file(site: Path, desk: Path, coding: str) -> None:
    suffix, encode = CODINGS[coding]
    feature = {"br": "brotli", "zstd": "zstd", "gzip": "libz"}[coding]
    if feature not in run("curl", "-V", cwd=desk).stdout.decode().split():
        absent(f"this curl is built without {feature}")
    text = noise(40 * KIB).hex()[: 60 * KIB].encode()
    (site / "page.html").write_bytes(text)
    (site / f"page.html{suffix}").write_bytes(encode(text))
    with serving(site) as program:
        head = curl("--compressed", "-D", "-", "-o", "page", f"{program.url}/page.html", cwd=desk)
        plain = curl("-D", "-", "-o", "plain", f"{program.url}/page.html", cwd=desk)
    assert f"\r\nContent-Encoding: {coding}\r\n".encode() in head
    assert b"\r\nContent-Type: text/html" in head
    assert (desk / "page").read_bytes() == text
    assert b"Content-Encoding" not in plain
    assert (desk / "plain").read_bytes() == text
    for each in (head, plain):
        assert b"\r\nVary: Accept-Encoding\r\n" in each


# --- conditions


def test_only_if_it_is_newer(site: Path, desk: Path) -> None:
    (site / "file").write_bytes(b"old")
    os.utime(site / "file", (LATER, LATER))
    with serving(site) as program:
        url = f"{program.url}/file"
        curl("-R", "-o", "file", url, cwd=desk)
        assert (desk / "file").stat().st_mtime == LATER
        curl("-z", "file", "-o", "none", url, cwd=desk)
        program.await_said(r"GET /file 304 0 B", "stdout")
        assert not (desk / "none").exists()
        (site / "file").write_bytes(b"new, and longer")
        curl("-z", "file", "-o", "file", url, cwd=desk)
    assert (desk / "file").read_bytes() == b"new, and longer"


def test_only_if_its_tag_is_another(site: Path, desk: Path) -> None:
    (site / "file").write_bytes(b"old")
    with serving(site) as program:
        fetch = ("--etag-save", "tag", "--etag-compare", "tag", "-o", "file", f"{program.url}/file")
        curl(*fetch, cwd=desk)
        assert (desk / "file").read_bytes() == b"old"
        curl(*fetch, cwd=desk)
        program.await_said(r"GET /file 304 0 B", "stdout")
        (site / "file").write_bytes(b"new, and longer")
        curl(*fetch, cwd=desk)
        program.await_said(r"GET /file 200 15 B", "stdout")
    assert (desk / "file").read_bytes() == b"new, and longer"


# --- upwards


@pytest.mark.parametrize("options", [(), ("-H", "Transfer-Encoding: chunked"), ("-H", "Expect: 100-continue")])
def test_an_upload(site: Path, desk: Path, options: tuple[str, ...]) -> None:
    (desk / "up load.bin").write_bytes(noise(SIZE))
    with serving(site, upload="yes") as program:
        status = curl(*options, "-w", "%{http_code}", "-T", "up load.bin", f"{program.url}/", cwd=desk)
        assert status.endswith(b"201")
        again = curl(*options, "-w", "%{http_code}", "-T", "up load.bin", f"{program.url}/", cwd=desk, expect=22)
        assert again.endswith(b"409")
        assert answered(program, "/up%20load.bin") == [201, 409]
    assert digest(site / "up load.bin") == digest(desk / "up load.bin")
    assert [path.name for path in site.iterdir()] == ["up load.bin"]


def test_an_upload_replaces_what_it_names(site: Path, desk: Path) -> None:
    (site / "file").write_bytes(b"old")
    (desk / "file").write_bytes(noise(SIZE))
    with serving(site, upload="yes") as program:
        url = f"{program.url}/file"
        tag = curl("-I", url, cwd=desk).decode().partition("\r\nETag: ")[2].partition("\r\n")[0]
        curl("-H", 'If-Match: "another"', "-T", "file", url, cwd=desk, expect=22)
        assert (site / "file").read_bytes() == b"old"
        curl("-H", f"If-Match: {tag}", "-T", "file", url, cwd=desk)
    assert digest(site / "file") == digest(desk / "file")


def test_nothing_is_uploaded_where_that_is_not_asked_for(site: Path, desk: Path) -> None:
    (desk / "file").write_bytes(b"x")
    with serving(site) as program:
        curl("-T", "file", f"{program.url}/file", cwd=desk, expect=22)
        curl("-F", "file=@file", f"{program.url}/", cwd=desk, expect=22)
        assert answered(program, "/file") == answered(program, "/") == [405]
    assert list(site.iterdir()) == []


def test_a_form_with_several_files(site: Path, desk: Path) -> None:
    (site / "into").mkdir()
    for name, data in (("größe.bin", noise(SIZE)), ('say "hi".txt', b"hi\r\n--\r\n"), ("empty", b"")):
        (desk / name).write_bytes(data)
    parts = ["-F", "note=a field, not a file"]
    for name in ("größe.bin", "empty"):
        parts += ["-F", f"file=@{name}"]
    parts += ["-F", 'file=@"say \\"hi\\".txt"']
    with serving(site, upload="yes") as program:
        head = curl("-D", "-", "-o", "body", *parts, f"{program.url}/into/", cwd=desk)
        assert b"HTTP/1.1 303 See Other\r\n" in head  # behind 100 Continue
        assert curl("-L", f"{program.url}/into/", cwd=desk).count(b"</a>") > 3
    for path in (site / "into").iterdir():
        assert digest(path) == digest(desk / path.name)
    assert sorted(path.name for path in (site / "into").iterdir()) == ["empty", "größe.bin", 'say "hi".txt']
