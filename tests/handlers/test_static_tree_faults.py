"""What the system says when something below a root is opened, and that no descriptor is lost by it."""

import errno
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.static.tree import Busy, Forbidden, Missing, Tree
from tests.conftest import absent
from tests.handlers.test_static_tree import TRAVERSALS
from tests.handlers.test_static_tree_links import LINKS
from tests.handlers.trees import descriptors, failing_at, link, make_site, opened, read


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A root, and no descriptor of it is left."""
    before = descriptors()
    yield make_site(tmp_path)
    assert descriptors() == before


MEANINGS: list[tuple[int, type[Exception]]] = [
    (errno.EMFILE, Busy),
    (errno.ENFILE, Busy),
    (errno.ENOMEM, Busy),
    (errno.EAGAIN, Busy),
    (errno.EACCES, Forbidden),
    (errno.EPERM, Forbidden),
    (errno.ESTALE, Missing),
    (errno.ENOENT, Missing),
    (errno.ENAMETOOLONG, Missing),
    (errno.EILSEQ, Missing),
    (errno.ENXIO, Missing),
    (errno.EIO, OSError),
    (errno.EBADF, OSError),
]


@pytest.mark.parametrize(("code", "meaning"), MEANINGS)
@pytest.mark.parametrize("follow", [False, True])
def test_any_system_call_may_fail(
    site: Path, monkeypatch: pytest.MonkeyPatch, code: int, meaning: type[Exception], follow: bool
) -> None:
    link(site, "link", "a/deep")
    link(site, "a/deep/link", "../b.txt")
    path = "link/link" if follow else "a/deep/c.txt"
    with opened(site, follow=follow) as tree:
        before = descriptors()
        for method in (tree.open, tree.open_folder):
            for number in range(1, 100):
                with monkeypatch.context() as patch:
                    made = failing_at(patch, number, code)
                    try:
                        fd, _ = method(path)
                    except Exception as error:
                        raised: Exception | None = error
                    else:
                        raised = None
                if raised is None:
                    os.close(fd)
                    break
                assert isinstance(raised, meaning)
                assert descriptors() == before
            assert len(made) == number - 1 >= (5 if follow else 3)


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EACCES, errno.EIO, errno.ENOENT])
def test_a_root_that_fails_to_open(site: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    for number in (1, 2):
        with monkeypatch.context() as patch:
            failing_at(patch, number, code)
            with pytest.raises(ValueError, match=os.strerror(code)):
                Tree(site)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_refresh_that_fails_serves_on(site: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    with opened(site) as tree:
        site.rename(site.with_name("old"))
        site.mkdir()
        with monkeypatch.context() as patch:
            failing_at(patch, number, errno.EMFILE)
            assert not tree.refresh()
        assert read(tree, "index.html") == b"index.html"
        assert tree.refresh()
        with pytest.raises(Missing):
            tree.open("index.html")


def test_what_the_system_forbids(site: Path) -> None:
    (site / "a").chmod(0)
    (site / "index.html").chmod(0)
    (site / ".well-known").chmod(0o111)
    user = os.geteuid()
    with opened(site) as tree:
        try:
            if user == 0:
                os.seteuid(65534)
            for path in ("a", "a/b.txt", "index.html", ".well-known"):
                with pytest.raises(Forbidden) as caught:
                    tree.open(path)
                assert isinstance(caught.value.__cause__, PermissionError)
            for path in ("a/new", ".well-known/new"):
                with pytest.raises(Forbidden):
                    tree.open_folder(path)
            assert read(tree, ".well-known/acme") == b".well-known/acme"  # passing through is not reading
        finally:
            os.seteuid(user)


@pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")
def test_a_file_with_a_lease_is_not_waited_for(site: Path) -> None:
    ignored = signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        with open(site / "index.html", "r+b") as file, opened(site) as tree:
            try:
                fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            except OSError as error:
                absent(f"no leases on this file system: {error}")
            with pytest.raises(Busy):
                tree.open("index.html")
    finally:
        signal.signal(signal.SIGIO, ignored)


def test_a_thousand_odd_openings_leak_nothing(site: Path) -> None:
    """The fixture counts."""
    for name, target, _, _ in LINKS:
        if not name.endswith("/x"):
            link(site, name, target)
    with opened(site, follow=True) as tree:
        for path in (*TRAVERSALS, *(path for _, _, path, _ in LINKS)) * 30:
            try:
                read(tree, path)
            except Missing:
                pass
