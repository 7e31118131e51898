"""The disk: where it fails, or nobody can be found to wait for it, and what is sent all the same."""

import errno
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from handlers.static import Static, disk
from handlers.static.disk import Disk
from reactor import FileBody

from .sites import answer_of, put, root, serving
from .test_static_disk import DATA, LARGE, SEVERAL, Asked, asked, end, file, wait

__all__ = ["asked", "file", "root"]  # fixtures


def test_where_the_disk_fails_sending_shows_it(root: Path, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    put(root, {"large": DATA[:LARGE]})
    with serving(root) as client:
        client.head("/large")
        monkeypatch.setattr(os, "pread", fail)
        assert client.get("/large").body == DATA[:LARGE]  # sendfile does not fail here
        with pytest.raises(Exception, match="IncompleteRead"):
            client.get("/large", SEVERAL)


def test_what_was_read_is_sent_once_and_then_asked_for_again(root: Path, asked: Asked) -> None:
    """A client that takes nothing for an hour has its place read again."""
    put(root, {"large": DATA[:LARGE]})
    static = Static(root)
    body = answer_of(static, "/large").body
    assert isinstance(body, FileBody)
    later = body.prepare(0, 1)
    assert later is not None
    wait(later)
    counts = []
    for _ in range(3):
        assert body.prepare(0, 1) is None
        counts.append(len(asked.places))
    assert counts == [1, 3, 5]  # the first place and the last, each time but the first
    body.close()
    static.shutdown()


def test_what_was_cut_off_meanwhile_is_read_to_its_end(root: Path, file: int, asked: Asked) -> None:
    os.truncate(root / "large", 10)
    own = Disk()
    later = own.prepare(file, 0, LARGE)
    assert later is not None
    wait(later)
    end(own)


def test_after_the_end_it_is_sent_all_the_same(root: Path, asked: Asked) -> None:
    put(root, {"large": DATA[:LARGE]})
    static = Static(root)
    body = answer_of(static, "/large").body
    assert isinstance(body, FileBody)
    later = body.prepare(0, 1)
    assert later is not None
    wait(later)
    static.shutdown()
    assert body.prepare(1, 1) is None
    body.close()


def test_without_a_descriptor_it_is_sent_all_the_same(file: int, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "dup", fail)
    own = Disk()
    assert own.prepare(file, 0, 1) is None
    end(own)


def test_without_a_thread_it_is_sent_all_the_same(file: int, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool keeps the task and comes to it later: by then, its descriptor may be somebody else's."""

    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    own = Disk()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        assert own.prepare(file, 0, 1) is None
    ours, theirs = socket.socketpair()  # which have it now
    later = own.prepare(file, 1, 1)
    assert later is not None
    wait(later)
    end(own)
    ours.sendall(b"still open")
    assert theirs.recv(20) == b"still open"
    ours.close()
    theirs.close()


def test_a_task_that_a_thread_has_begun_is_its_own(file: int, asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pool(ThreadPoolExecutor):
        def submit(self, fn: Any, /, *arguments: Any, **_: Any) -> Any:
            fn(*arguments)
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(disk, "ThreadPoolExecutor", Pool)
    own = Disk()
    assert own.prepare(file, 0, 1) is None
    end(own)
