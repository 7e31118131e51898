"""Directories to serve, and what is not to be served beside them; and system calls, watched and failing."""

import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handlers.static.tree import Opened, Tree

FOLDER = b"a directory"


def descriptors() -> list[str]:
    return sorted(os.listdir("/dev/fd"))


def make_site(tmp_path: Path) -> Path:
    """A root, with secrets beside it."""
    for folder in ("site/a/deep", "site/.well-known", "site/.git", "outside", "sitex"):
        (tmp_path / folder).mkdir(parents=True)
    for secret in ("secret.txt", "outside/secret.txt", "sitex/secret.txt", "outside/f"):
        (tmp_path / secret).write_bytes(b"secret")
    site = tmp_path / "site"
    for name in ("index.html", "a/b.txt", "a/deep/c.txt", ".well-known/acme", ".git/config", ".hidden"):
        (site / name).write_bytes(name.encode())
    return site


def read(tree: Tree, path: str) -> bytes:
    return take(tree.open(path))


def take(found: Opened) -> bytes:
    """What is in the file, and it is closed."""
    fd, status = found
    try:
        assert os.fstat(fd).st_ino == status.st_ino
        assert not os.get_inheritable(fd)
        assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        return FOLDER if stat.S_ISDIR(status.st_mode) else os.read(fd, 100)
    finally:
        os.close(fd)


class opened(Tree):
    """`with opened(site) as tree`"""

    def __enter__(self) -> Tree:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def link(site: Path, name: str, target: str) -> None:
    """Make a link that says `target`, in which {} is the root."""
    (site / name).unlink(missing_ok=True)
    (site / name).symlink_to(target.replace("{}", str(site)))


def watch(monkeypatch: pytest.MonkeyPatch, fail: Callable[[str], None] = lambda name: None) -> list[str]:
    """The names of the system calls from now on. `fail` is called before each, and may raise."""
    calls: list[str] = []

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def inner(*args: Any, **options: Any) -> Any:
            fail(name)
            calls.append(name)
            return call(*args, **options)

        return inner

    for name in ("open", "stat", "fstat", "readlink"):
        monkeypatch.setattr(os, name, watched(name, getattr(os, name)))
    return calls


def failing_at(monkeypatch: pytest.MonkeyPatch, number: int, code: int) -> list[str]:
    """System call `number`, counted from 1, fails with `code`. The names of those that were made."""
    made: list[str] = []

    def fail(name: str) -> None:
        made.append(name)
        if len(made) == number:
            raise OSError(code, os.strerror(code))

    watch(monkeypatch, fail)
    return made
