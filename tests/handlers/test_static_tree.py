"""The tree: what may be opened below a root, and that nothing else ever is."""

import errno
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from handlers.static.tree import Missing, Tree
from tests.conftest import absent
from tests.handlers.trees import FOLDER, descriptors, link, make_site, opened, read, take, watch


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A root, and no descriptor of it is left."""
    before = descriptors()
    yield make_site(tmp_path)
    assert descriptors() == before


def test_files_and_directories_are_opened(site: Path) -> None:
    with opened(site) as tree:
        assert read(tree, "index.html") == b"index.html"
        assert read(tree, "a/deep/c.txt") == b"a/deep/c.txt"
        for path in ("", "a", "a/deep", ".well-known"):
            assert read(tree, path) == FOLDER
        assert read(tree, ".well-known/acme") == b".well-known/acme"


def test_a_directory_is_opened_anew_each_time(site: Path) -> None:
    """Two who list one do not take names from each other."""
    with opened(site) as tree:
        one, two = tree.open("").fd, tree.open("").fd
        with os.scandir(one) as first, os.scandir(two) as second:
            next(first)
            assert {entry.name for entry in second} == set(os.listdir(site))
            assert len(list(first)) == len(os.listdir(site)) - 1
        os.close(one)
        os.close(two)


def test_a_name_takes_three_system_calls(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(site) as tree:
        calls = watch(monkeypatch)
        os.close(tree.open("index.html").fd)
        assert calls == ["stat", "open", "fstat"]


@pytest.mark.parametrize(
    "name",
    [
        "a name", "a\nname", "a\r\nname", "back\\slash", "..\\secret.txt", "'", '"', "<b>&amp;", "%", "%2e%2e", "%2F",
        "%252e%252e", "?", "#", "a:b", "*", "~", "$HOME", "...", "..a", "größe", "e\u0301", "\u202egnp.exe", "😀",
        "-rf", "\x7f\x01", "\udcff", "\udcc0\udcaf", "\udced\udca0\udc80", "x" * 255, "ü" * 127,
    ],
)  # fmt: skip
def test_a_name_is_bytes(site: Path, name: str) -> None:
    raw = name.encode("utf-8", "surrogateescape")
    with opened(site, dotfiles=True) as tree:
        for place in ("", "a/"):
            with open(os.fsencode(site / place) + b"/" + raw, "wb") as file:
                file.write(raw)
            assert read(tree, place + name) == raw[:100]
            assert os.path.samestat(tree.status(place + name), os.stat(file.name))  # type: ignore[arg-type]  # not None


def test_names_do_not_depend_on_the_locale(site: Path) -> None:
    (site / "größe.txt").write_bytes(b"fits")
    program = "import sys; from pathlib import Path; from handlers.static.tree import Tree; import os\n"
    program += "os.write(1, os.read(Tree(Path(sys.argv[1])).open('gr\\xf6\\xdfe.txt').fd, 9))"
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", program, str(site)]
    assert subprocess.run(command, env=os.environ | plain, capture_output=True, check=True).stdout == b"fits"


TRAVERSALS = [
    "..", "../", "../secret.txt", "/..", "/../secret.txt", "./../secret.txt", "..//secret.txt", "//secret.txt",
    "a/../../secret.txt", "a/..", "a/../a", "a/../index.html", "a/b.txt/../../../secret.txt", "../site", "../site/",
    "../site/index.html", "../sitex/secret.txt", "../outside/secret.txt", "../" * 20 + "etc/passwd", "/", "//",
    "/index.html", "a/" + "../" * 20 + "etc/passwd", "/etc/passwd", "//etc/passwd", "etc/passwd", "a//b.txt",
    "a/./b.txt", ".", "./", "./.", "./index.html", "a/.", "a/", "a/deep/", "a/b.txt/", "index.html/", "index.html/..",
    "index.html/../index.html", "index.html/.", "index.html/x", "..\\secret.txt", "..\\..\\secret.txt",
    "a\\..\\..\\secret.txt", "\\..\\secret.txt", "a\\b.txt", "C:\\secret.txt", "C:/secret.txt", "file:///etc/passwd",
    "%2e%2e/secret.txt", "%2e%2e%2fsecret.txt", "..%2fsecret.txt", "%252e%252e/secret.txt", "..%5csecret.txt",
    "..%c0%afsecret.txt", "..%00/secret.txt", "\0", "index.html\0", "index.html\0.png", "../secret.txt\0.html",
    "..\0/secret.txt", "a\0/b.txt", ".../secret.txt", "..../secret.txt", "....//secret.txt", "....\\\\secret.txt",
    "..;/secret.txt", "..;a=b/secret.txt", ".. /secret.txt", " ../secret.txt", ". ./secret.txt", "..\t/secret.txt",
    "..\n/secret.txt", "\r\n../secret.txt", "．．/secret.txt", "‥/secret.txt", "..／secret.txt", "..∕secret.txt",
    "\u200b../secret.txt", "..\u200b/secret.txt", "\ufeff../secret.txt", "\udcc0\udcae\udcc0\udcae/secret.txt",
    "..\udcc0\udcafsecret.txt", "\udce0\udc80\udcae\udce0\udc80\udcae/secret.txt", "\udc2e\udc2e/secret.txt",
    "..\udc2fsecret.txt", "\ud800", "\ud800/index.html", "index.html\udc00", "~/secret.txt", "~root/secret.txt",
    "$HOME/secret.txt", "proc/self/root/etc/passwd", "/proc/self/cwd/index.html", "/dev/fd/0", ".git/../../secret.txt",
    ".well-known/../../secret.txt", ".well-known/..", ".well-known/../index.html", "?/../../secret.txt",
    "#/../../secret.txt", "index.html::$DATA", "index.html.", "index.html ", "x" * 256, "a/" * 128 + "b", "../" * 2000,
    "x/" * 2047 + "xx", "/".join(["x" * 250] * 17),
]  # fmt: skip


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("dotfiles", [False, True])
def test_no_spelling_leads_out(site: Path, follow: bool, dotfiles: bool) -> None:
    assert len(set(TRAVERSALS)) >= 60
    with opened(site, follow=follow, dotfiles=dotfiles) as tree:
        for path in TRAVERSALS:
            with pytest.raises(Missing):
                tree.open(path)
            assert tree.status(path) is None
            folder, _, name = path.rpartition("/")
            if "/" in path and (folder != "a" or name in ("", ".", "..")):
                with pytest.raises(Missing):
                    tree.open_folder(path)


def test_as_long_as_it_goes(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(site)
    for _ in range(17):
        os.mkdir("x" * 250)
        os.chdir("x" * 250)
    with opened(site) as tree:
        for names, found in ((16, True), (17, False)):
            path = "/".join(["x" * 250] * names)
            assert (tree.status(path) is not None) is found
            if found:
                assert read(tree, path) == FOLDER
            else:
                with pytest.raises(Missing):
                    tree.open(path)


def test_what_begins_with_a_dot_is_hidden(site: Path) -> None:
    hidden = (".hidden", ".git", ".git/config", "a/.x", ".well-known/.x", ".well-known2", ".Well-Known", "..a", "...")
    (site / "a/.x").write_bytes(b"x")
    with opened(site) as tree:
        for path in hidden:
            for ask in (tree.open, tree.open_folder):
                with pytest.raises(Missing):
                    ask(path)
            assert tree.status(path) is None
        assert [tree.is_hidden(name) for name in (".git", "..a", "a.b", ".well-known", "\ud800")] == [1, 1, 0, 0, 0]
    with opened(site, dotfiles=True) as tree:
        assert read(tree, ".git/config") == b".git/config"
        assert read(tree, "a/.x") == b"x"
        assert not tree.is_hidden(".git")


def test_only_regular_files_and_directories(site: Path) -> None:
    os.mkfifo(site / "fifo")
    for name in ("socket", "a/socket"):
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(str(site / name))
    for follow in (False, True):
        with opened(site, follow=follow) as tree:
            for path in ("fifo", "socket", "a/socket", "fifo/x", "socket/x"):
                with pytest.raises(Missing):
                    tree.open(path)


def test_a_device_is_not_opened(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        os.mknod(site / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        absent("making a device takes root")
    with opened(site) as tree:
        calls = watch(monkeypatch)
        with pytest.raises(Missing):
            tree.open("device")
        assert calls == ["stat"]


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_what_changes_after_the_look_is_seen(site: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for, either: a FIFO that nobody writes to is opened at once, and closed."""
    if kind == "fifo":
        os.mkfifo(site / kind)
    else:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(str(site / kind))
    before = os.stat(site / "index.html")
    with opened(site) as tree:
        monkeypatch.setattr(os, "stat", lambda *_, **__: before)
        with pytest.raises(Missing):
            tree.open(kind)


def test_a_file_that_is_replaced_after_the_look_is_served(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = os.stat

    def replaced(*args: Any, **options: Any) -> os.stat_result:
        seen = look(*args, **options)
        (site / "new").write_bytes(b"new")
        (site / "new").replace(site / "index.html")
        return seen

    with opened(site) as tree:
        monkeypatch.setattr(os, "stat", replaced)
        fresh = tree.open("index.html")
        monkeypatch.undo()
        assert take(fresh) == b"new"


def test_the_status_is_what_is_there_now(site: Path) -> None:
    with opened(site) as tree:
        fd, status = tree.open("a/b.txt")
        os.close(fd)
        assert tree.status("a/b.txt") == status
        assert tree.status("") == os.stat(site)
        (site / "a/b.txt").write_bytes(b"longer than it was")
        assert tree.status("a/b.txt") == os.stat(site / "a/b.txt") != status
        (site / "a/b.txt").unlink()
        assert tree.status("a/b.txt") is None
        link(site, "link", "index.html")
        assert tree.status("link") == os.lstat(site / "link")


@pytest.mark.parametrize("follow", [False, True])
def test_the_folder_of_a_file_to_be(site: Path, follow: bool) -> None:
    link(site, "link", "a")
    link(site, "a/last", "../../secret.txt")
    with opened(site, follow=follow) as tree:
        for path in ["a/new", "a/b.txt", "a/last", "a/new\udcff", *(["link/new"] if follow else [])]:
            fd, name = tree.open_folder(path)
            assert os.path.samestat(os.fstat(fd), os.stat(site / "a"))
            assert name == path.rpartition("/")[2]
            os.fsync(fd)
            os.close(fd)
        fd, name = tree.open_folder("new")
        assert (os.path.samestat(os.fstat(fd), os.stat(site)), name) == (True, "new")
        os.close(fd)
        for path in ("", "nowhere/new", "index.html/new", "a/last/new", *(() if follow else ("link/new",))):
            with pytest.raises(Missing):
                tree.open_folder(path)


def test_a_root_that_is_replaced(site: Path) -> None:
    with opened(site) as tree:
        assert not tree.refresh()
        before = tree.open("index.html")
        site.rename(site.with_name("old"))
        assert not tree.refresh()  # between two renames, the old one is served on
        assert read(tree, "index.html") == b"index.html"
        site.mkdir()
        (site / "index.html").write_bytes(b"new")
        assert tree.refresh()
        assert not tree.refresh()
        assert read(tree, "index.html") == b"new"
        assert take(before) == b"index.html"


def test_a_link_to_the_root_that_is_switched(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "2").mkdir()
    (tmp_path / "2/f").write_bytes(b"new")
    (tmp_path / "2/link").symlink_to(tmp_path / "2/f")
    (tmp_path / "current").symlink_to("site")
    monkeypatch.chdir(tmp_path)
    with opened(Path("current"), follow=True) as tree:
        monkeypatch.chdir("/")
        (tmp_path / "switched").symlink_to("2")
        (tmp_path / "switched").rename(tmp_path / "current")
        assert tree.refresh()
        assert read(tree, "link") == b"new"  # what a root's own links may say is another path now


def test_close(site: Path) -> None:
    tree = Tree(site)
    tree.close()
    tree.close()
    for path in ("", "index.html", "a/b.txt"):
        with pytest.raises(OSError, match="Bad file descriptor"):
            tree.open(path)
    assert tree.status("") is None
    site.rename(site.with_name("old"))
    site.mkdir()
    assert not tree.refresh()


@pytest.mark.parametrize("name", ["nothing", "site/index.html", "loop", "site\0"])
def test_a_root_must_be_a_directory(site: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ValueError, match="is no directory that can be read: "):
        Tree(tmp_path / name)


def nowhere() -> NoReturn:
    raise FileNotFoundError(errno.ENOENT, "gone")


def test_a_relative_root_needs_a_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getcwd", nowhere)
    with pytest.raises(ValueError, match="'site' is no directory that can be read: gone"):
        Tree(Path("site"))
