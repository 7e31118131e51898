"""The listing of a directory: what is in it, in which order, in which steps, and that nothing is left open."""

import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.static.listing import RUN, SLICE, listing, natural_key
from handlers.static.page import HEADERS
from reactor import Query, Request, Response
from reactor.testing import TestClient

from .pages import Page, make, open_folder, page_of, start


@pytest.fixture(autouse=True)
def _nothing_is_left_open() -> Iterator[None]:
    before = sorted(os.listdir("/proc/self/fd"))
    yield
    assert sorted(os.listdir("/proc/self/fd")) == before


# What is shown.


def test_hidden_names_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, a=1, b=1)
    make(tmp_path, **{".git": -1, ".env": 3})
    assert page_of(tmp_path).names == ["a", "b"]
    assert page_of(tmp_path, is_hidden=lambda name: name == "a").names == [".git/", ".env", "b"]


def test_symbolic_links_are_left_out_unless_they_are_followed(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    make(shared, sub=-1, file=5)
    for name, target in [("to_file", "file"), ("to_sub", "sub"), ("gone", "nothing"), ("loop", "loop")]:
        (shared / name).symlink_to(target)
    (shared / "outside").symlink_to(tmp_path)
    assert page_of(shared).names == ["sub/", "file"]
    assert page_of(shared, "sort=size").names == ["sub/", "file"]
    page = page_of(shared, follow=True)
    assert page.names == ["outside/", "sub/", "to_sub/", "file", "to_file"]
    assert page.rows[4][2] == "5 B"
    assert page.texts["footer"] == "3 folders, 2 files, 10 B"


def test_what_is_neither_a_file_nor_a_folder_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, file=1)
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    assert page_of(tmp_path).names == page_of(tmp_path, follow=True).names == ["file"]


def test_what_vanishes_meanwhile_is_left_out(tmp_path: Path) -> None:
    make(tmp_path, a=1, b=1, c=1, d=1)

    def unlink_b(name: str) -> bool:
        if name == "b":  # it was read, and is gone before it is looked at
            (tmp_path / name).unlink()
        return False

    pieces = start(tmp_path, "sort=size", is_hidden=unlink_b)
    begun = next(pieces) + next(pieces)
    (tmp_path / "c").unlink()  # it was sorted, and is gone before it is shown
    (tmp_path / "d").unlink()
    os.mkfifo(tmp_path / "d")
    page = Page((begun + b"".join(pieces)).decode())
    assert (page.names, page.texts["footer"]) == (["a"], "0 folders, 1 file, 1 B")


# The order.


def test_names_are_in_natural_order() -> None:
    names = [
        "", "-", ".a", "001", "01", "1", "2", "10", "A", "a", "a 1", "a b", "a1", "a2", "a10", "A10b", "a10c", "B", "b",
        "img2.jpg", "img2x.jpg", "IMG010.jpg", "img10.jpg", "img100000000000000000000.jpg", "ss", "ß", "\udcff",
    ]  # fmt: skip
    assert sorted(Random(1).sample(names, len(names)), key=natural_key) == names


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_in_names_are_compared_as_numbers(one: int, other: int) -> None:
    assert (natural_key(f"a{one}b") < natural_key(f"a{other}b")) == (one < other)


@given(st.lists(st.text(st.characters(exclude_characters="/\0")), unique=True))
def test_no_two_names_have_the_same_key(names: list[str]) -> None:
    assert len({natural_key(name) for name in names}) == len(names)
    assert all(natural_key(name).rpartition("\0")[2] == name for name in names)


BY_NAME, BACKWARDS = "f1/ f2/ a b c", "f2/ f1/ c b a"


@pytest.mark.parametrize(
    ("query", "names", "links"),
    [
        ("", BY_NAME, "name ascending; name=desc size=desc date=desc"),
        ("sort=name", BY_NAME, "name ascending; name=desc size=desc date=desc"),
        ("sort=name&order=desc", BACKWARDS, "name descending; name=asc size=desc date=desc"),
        ("order=desc", BACKWARDS, "name descending; name=asc size=desc date=desc"),
        ("sort=size", "f1/ f2/ c a b", "size ascending; name=asc size=desc date=desc"),
        ("sort=size&order=desc", "f1/ f2/ a b c", "size descending; name=asc size=asc date=desc"),
        ("sort=date&order=asc", "f2/ f1/ b c a", "date ascending; name=asc size=desc date=desc"),
        ("sort=date&order=desc", "f1/ f2/ a c b", "date descending; name=asc size=desc date=asc"),
        ("sort=%3Cb%3E&order=up", BY_NAME, "name ascending; name=desc size=desc date=desc"),
    ],
)
def test_sorted_by_a_column(tmp_path: Path, query: str, names: str, links: str) -> None:
    """The folders first, whatever their sizes; the equal by name."""
    make(tmp_path, f1=-1, f2=-1, a=7, b=7, c=3)
    for name, time in [("f1", 9), ("f2", -2), ("a", 8), ("b", -(10**9)), ("c", 5)]:
        os.utime(tmp_path / name, (0, time))
    page = page_of(tmp_path, query)
    assert (" ".join(page.names), page.sorting) == (names, links)


# Large folders.


class Counted:
    """`os.scandir` and `os.stat`, counted: `touched`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.touched = 0
        self.scandir: Callable[..., Any] = os.scandir
        self.stat = os.stat
        monkeypatch.setattr(os, "scandir", self.open)
        monkeypatch.setattr(os, "stat", self.count_stat)

    def open(self, folder: int) -> Self:
        self.entries = self.scandir(folder)
        return self

    def count_stat(self, *args: Any, **options: Any) -> os.stat_result:
        self.touched += 1
        return self.stat(*args, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.entries.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        self.touched += 1
        return next(self.entries)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    for number in range(20_000):
        os.mknod(folder / f"{number * 7919 % 20_000}.txt")
    return folder


@pytest.mark.parametrize("query", ["", "order=desc", "sort=date", "sort=size&order=desc"])
def test_a_large_folder_is_read_and_shown_in_steps(large: Path, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert RUN < 20_000 / 5
    with monkeypatch.context() as patched:
        counted = Counted(patched)
        pages: list[bytes] = []
        most = 0
        for piece in start(large, query):
            most = max(most, counted.touched)
            counted.touched = 0
            pages.append(piece)
    assert most <= 2 * SLICE
    assert max(map(len, pages)) < 32 * 1024
    text = b"".join(pages).decode()
    numbers = [int(number) for number in re.findall(r"<bdi>([0-9]+)\.txt</bdi>", text)]
    assert "<footer>0 folders, 20,000 files, 0 B</footer>" in text
    if "date" in query:
        assert sorted(numbers) == list(range(20_000))
    else:
        assert numbers == sorted(range(20_000), reverse=query == "order=desc")


# Its life.


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


@pytest.mark.parametrize("taken", [0, 1, 2, 3])
def test_closed_before_the_end(tmp_path: Path, taken: int) -> None:
    for number in range(600):
        os.mknod(tmp_path / str(number))
    folder = open_folder(tmp_path)
    pieces = listing(folder, path="/", query=Query(b""), is_hidden=lambda name: False)
    for _ in range(taken):
        next(pieces)
    assert is_open(folder)
    pieces.close()
    assert not is_open(folder)
    assert list(pieces) == []
    pieces.close()


def test_closed_at_the_end_and_when_it_is_dropped(tmp_path: Path) -> None:
    folder = open_folder(tmp_path)
    pieces = listing(folder, path="/", query=Query(b""), is_hidden=lambda name: False)
    assert list(pieces)
    assert not is_open(folder)
    for taken in (0, 1):
        folder = open_folder(tmp_path)
        pieces = listing(folder, path="/", query=Query(b""), is_hidden=lambda name: False)
        for _ in range(taken):
            next(pieces)
        del pieces
        assert not is_open(folder)


def test_closed_when_it_raises(tmp_path: Path) -> None:
    make(tmp_path, a=1)
    folder = open_folder(tmp_path)
    pieces = listing(folder, path="/", query=Query(b""), is_hidden=lambda name: bool(1 / 0))
    next(pieces)
    with pytest.raises(ZeroDivisionError):
        next(pieces)
    assert not is_open(folder)


def test_what_cannot_be_read_is_an_error_at_once_and_closed(tmp_path: Path) -> None:
    make(tmp_path, a=1)
    descriptor = os.open(tmp_path / "a", os.O_RDONLY)
    with pytest.raises(NotADirectoryError):
        listing(descriptor, path="/", query=Query(b""), is_hidden=lambda name: False)
    assert not is_open(descriptor)


def test_a_server_serves_it(large: Path, tmp_path: Path) -> None:
    def handler(request: Request) -> Response:
        folder = large if request.path == "/large/" else tmp_path
        pieces = listing(open_folder(folder), path=request.path, query=request.query, is_hidden=lambda name: False)
        return Response(200, pieces, HEADERS, content_type="text/html; charset=utf-8")

    client = TestClient(handler)
    reply = client.get("/large/?order=desc")
    assert reply.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert re.findall("<bdi>(.*?)</bdi>", reply.text)[:4] == ["", "large", "19999.txt", "19998.txt"]
    assert reply.text.endswith("</html>\n")
    assert client.head("/").body == b""
