"""The cache: what is served after a file has changed, in whatever way, and what is held open, and for how long."""

import os
from pathlib import Path
from typing import Any

import pytest

from handlers.static.cache import AGE, DESCRIPTORS, MEMORY, Cache
from reactor.testing import Reply

from .sites import BIG, PAST, Clock, clock, descriptors, opened, put, replace, root, serving

__all__ = ["clock", "root"]  # fixtures

GZIP = {"Accept-Encoding": "gzip"}
LATER = AGE + 0.01  # seconds

SMALL_AND_BIG = pytest.mark.parametrize("old", [b"old", b"old" * BIG], ids=["small", "big"])


def told(reply: Reply) -> bytes | int:
    return reply.body if reply.status == 200 else reply.status


# What is new is seen at once.


@SMALL_AND_BIG
def test_what_is_replaced_is_seen_at_once(root: Path, clock: Clock, old: bytes) -> None:
    put(root, {"a": old})
    with serving(root) as client:
        assert client.get("/a").body == old
        tag = client.get("/a").headers["ETag"]
        for new in (old.replace(b"old", b"new"), b"", b"x" * BIG):
            replace(root / "a", new)
            reply = client.get("/a", {"If-None-Match": tag})
            assert told(reply) == new
            tag = reply.headers["ETag"]
            assert client.get("/a", {"If-None-Match": tag}).status == 304


@SMALL_AND_BIG
def test_what_is_written_into_is_seen_at_once(root: Path, clock: Clock, old: bytes) -> None:
    put(root, {"a": old})
    with serving(root) as client:
        first = client.get("/a")
        status = (root / "a").stat()
        put(root, {"a": old.replace(b"old", b"new")})  # of the same size
        os.utime(root / "a", ns=(status.st_atime_ns, status.st_mtime_ns))  # and, it claims, the same age
        second = client.get("/a")
        assert second.body == old.replace(b"old", b"new")
        assert second.headers["Last-Modified"] == first.headers["Last-Modified"]
        assert second.headers["ETag"] != first.headers["ETag"]


@SMALL_AND_BIG
def test_what_is_removed_is_gone_at_once(root: Path, clock: Clock, old: bytes) -> None:
    put(root, {"a": old, "sub/index.html": old, "404.html": "gone"})
    with serving(root) as client:
        assert [told(client.get(path)) for path in ("/a", "/sub/", "/sub/nope")] == [old, old, 404]
        (root / "a").unlink()
        (root / "sub" / "index.html").unlink()
        (root / "404.html").unlink()
        assert client.get("/a").text == "Not Found\n"
        assert "index.html" not in client.get("/sub/").text
        (root / "a").mkdir()
        assert client.get("/a").status == 301
        (root / "a").rmdir()
        put(root, {"a": "again"})
        assert client.get("/a").text == "again"
        (root / "a").unlink()
        os.mkfifo(root / "a")
        assert client.get("/a").status == 404


@SMALL_AND_BIG
def test_what_becomes_a_link_is_not_followed(root: Path, clock: Clock, old: bytes) -> None:
    put(root, {"a": old})
    with serving(root) as client:
        assert told(client.get("/a")) == old
        (root / "a").rename(root / "b")
        (root / "a").symlink_to("b")
        assert client.get("/a").status == 404
        assert told(client.get("/b")) == old


def test_another_mode_is_another_look(root: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, {"a": "a"})
    with serving(root) as client:
        tag = client.get("/a").headers["ETag"]
        (root / "a").chmod(0o640)
        assert client.get("/a").headers["ETag"] != tag


def test_a_link_above_it_is_seen_within_a_second(root: Path, clock: Clock) -> None:
    """The same file by another way: what may be followed is looked at once a second."""
    put(root, {"sub/a": "a"})
    with serving(root) as client:
        assert client.get("/sub/a").text == "a"
        (root / "sub").rename(root / "real")
        (root / "sub").symlink_to("real")
        clock.passed += LATER
        assert client.get("/sub/a").status == 404


def test_siblings_come_and_go_within_a_second(root: Path, clock: Clock) -> None:
    put(root, {"a.js": "plain"})
    os.utime(root / "a.js", (PAST, PAST))
    with serving(root) as client:
        assert client.get("/a.js", GZIP).text == "plain"
        put(root, {"a.js.gz": "packed"})
        clock.passed += LATER
        assert client.get("/a.js", GZIP).text == "packed"
        put(root, {"a.js.gz": "packed anew"})
        assert client.get("/a.js", GZIP).text == "packed anew"
        os.utime(root / "a.js.gz", (PAST, PAST))
        put(root, {"a.js": "plain anew"})
        assert client.get("/a.js").text == "plain anew"  # and with it goes the sibling, which is older now
        assert client.get("/a.js", GZIP).text == "plain anew"
        os.utime(root / "a.js.gz")
        clock.passed += LATER
        assert client.get("/a.js", GZIP).text == "packed anew"
        (root / "a.js.gz").unlink()
        assert client.get("/a.js", GZIP).text == "plain anew"


def test_a_sibling_gets_stale_at_once(root: Path, clock: Clock) -> None:
    put(root, {"a.js": "plain", "a.js.gz": "packed"})
    os.utime(root / "a.js.gz", (PAST, PAST))
    os.utime(root / "a.js", (PAST, PAST))
    with serving(root) as client:
        assert client.get("/a.js", GZIP).text == "packed"
        put(root, {"a.js": "plain anew"})
        assert client.get("/a.js", GZIP).text == "plain anew"


def test_a_root_that_is_replaced_is_seen_within_a_second(root: Path, clock: Clock) -> None:
    put(root, {"a": "old", "big": b"o" * BIG})
    with serving(root) as client:
        assert client.get("/a").text == "old"
        assert client.get("/big").status == 200
        root.rename(root.with_name("former"))
        put(root, {"a": "new"})
        clock.passed += LATER
        assert client.get("/a").text == "new"
        assert client.get("/big").status == 404
        assert opened(root.with_name("former") / "big") == 0
        root.rename(root.with_name("other"))
        clock.passed += LATER
        assert client.get("/a").text == "new"  # nothing is there: what was is served on
        root.mkdir()
        clock.passed += LATER
        assert client.get("/a").status == 404


def test_what_was_open_below_a_root_that_is_replaced_is_closed(root: Path, clock: Clock) -> None:
    put(root, {"big": b"o" * BIG})
    with serving(root) as client:
        clock.passed += LATER / 2
        assert client.get("/big").status == 200
        root.rename(root.with_name("former"))
        root.mkdir()
        clock.passed += LATER / 2
        assert client.get("/nope").status == 404
        assert opened(root.with_name("former") / "big") == 0


def test_what_changed_just_now_is_answered_and_not_kept(root: Path, clock: Clock) -> None:
    """Its timestamps may stay the same when it changes again."""
    clock.lead = 0.0
    put(root, {"a": "old"})
    os.utime(root / "a", (clock.time() + AGE / 2, clock.time() + AGE / 2))  # its clock is ahead of ours
    with serving(root) as client:
        first = client.get("/a")
        assert (first.text, first.headers["ETag"][:2]) == ("old", "W/")
        assert client.get("/a", {"If-None-Match": first.headers["ETag"]}).status == 304
        assert client.get("/a", {"If-Match": first.headers["ETag"]}).status == 412
        clock.passed += AGE * 0.9
        settled = client.get("/a")
        assert settled.headers["ETag"][:1] == '"'
        assert client.get("/a", {"If-None-Match": first.headers["ETag"]}).status == 200
        assert client.get("/a", {"If-Match": settled.headers["ETag"]}).status == 200


# What is kept is bounded.


class Kept:
    """What the cache counts, without a file behind it."""

    def __init__(self, memory: int = 0, descriptors: int = 0, opened: float = 1000.0) -> None:
        self.is_settled = True
        self.memory = memory
        self.descriptors = descriptors
        self.opened = opened
        self.is_closed = False

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True


def fill(kept: Cache, *resources: Any) -> list[bool]:
    """Which of them are there in the end, by the names "0", "1", ..."""
    for number, each in enumerate(resources):
        kept.put(str(number), each)
    found = [kept.get(str(number)) is each for number, each in enumerate(resources)]
    assert [each.is_closed for each in resources] == [not is_there for is_there in found]
    return found


def test_the_oldest_goes_when_there_are_too_many(clock: Clock) -> None:
    assert fill(Cache(2), Kept(), Kept(), Kept(), Kept()) == [False, False, True, True]
    assert fill(Cache(0), Kept(), Kept()) == [False, True]


def test_the_oldest_goes_when_they_take_too_much(clock: Clock) -> None:
    assert fill(Cache(), Kept(MEMORY // 2), Kept(MEMORY // 2), Kept(1)) == [False, True, True]
    assert fill(Cache(), Kept(1), Kept(1), Kept(MEMORY)) == [False, False, True]
    assert fill(Cache(), Kept(MEMORY + 1)) == [True]  # there is always one
    assert fill(Cache(), Kept(0, DESCRIPTORS - 1), Kept(0, 1), Kept(0, 1)) == [False, True, True]


def test_what_is_old_goes(clock: Clock) -> None:
    kept: Any = Cache()
    kept.put("first", first := Kept())
    clock.passed += LATER / 2
    kept.put("second", second := Kept(opened=clock.monotonic()))
    assert (kept.get("first"), kept.get("second")) == (first, second)
    clock.passed += LATER / 2
    assert (kept.get("first"), kept.get("second")) == (None, second)
    kept.put("third", third := Kept(opened=clock.monotonic()))
    assert (first.is_closed, second.is_closed) == (True, False)
    kept.clear()
    assert (second.is_closed, third.is_closed, kept.get("second")) == (True, True, None)


def test_what_is_put_again_counts_once(clock: Clock) -> None:
    kept: Any = Cache()
    for _ in range(3):
        kept.put("other", Kept(MEMORY // 4))
        kept.put("a", Kept(MEMORY // 2, DESCRIPTORS // 2))
    assert kept.get("other") is not None
    kept.forget("nothing of that name")
    kept.clear()
    assert fill(kept, Kept(MEMORY, DESCRIPTORS)) == [True]


def test_large_files_are_kept_open_and_small_ones_are_not(root: Path, clock: Clock) -> None:
    put(root, {f"big{number}": b"x" * BIG for number in range(DESCRIPTORS + 20)})
    put(root, {f"small{number}": b"x" for number in range(20)})
    with serving(root) as client:
        before = len(descriptors())
        for number in range(20):
            assert client.get(f"/small{number}").status == 200
        assert len(descriptors()) == before
        for number in range(DESCRIPTORS + 20):
            assert client.head(f"/big{number}").status == 200
        assert len(descriptors()) == before + DESCRIPTORS
        assert (opened(root / "big0"), opened(root / "big20")) == (0, 1)
        clock.passed += LATER
        assert client.get("/small0").status == 200
        assert len(descriptors()) == before
        client.get("/big0")
        client.get("/big0")
        assert opened(root / "big0") == 1


@pytest.mark.parametrize("number", [0, 1])
def test_few_open_files(root: Path, clock: Clock, number: int) -> None:
    put(root, {"a": b"a" * BIG, "b": b"b" * BIG, "b.gz": b"c" * BIG, "small": "small"})
    with serving(root, open_files=number) as client:
        for _ in range(2):
            assert [client.get(f"/{name}").body[:2] for name in ("a", "b", "small")] == [b"aa", b"bb", b"sm"]
            assert client.get("/b", GZIP).body == b"c" * BIG
            assert [opened(root / name) for name in ("a", "b", "b.gz")] == [0, 1, 1]


def test_uploads_go_below_the_root_that_is_there_now(root: Path, clock: Clock) -> None:
    with serving(root, upload=True) as client:
        root.rename(root.with_name("former"))
        root.mkdir()
        clock.passed += LATER
        assert client.put("/a", "a").status == 201
    assert [(folder / "a").exists() for folder in (root, root.with_name("former"))] == [True, False]
