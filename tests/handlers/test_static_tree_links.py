"""Links below a root: refused, or followed to what lies in it, whatever is moved meanwhile."""

import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from handlers.static.tree import DEPTH, Missing
from tests.handlers.trees import FOLDER, descriptors, link, make_site, opened, read


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A root, and no descriptor of it is left."""
    before = descriptors()
    yield make_site(tmp_path)
    assert descriptors() == before


B, C = b"a/b.txt", b"a/deep/c.txt"
LINKS = [  # name, what it says ({} is the root), a path that uses it, what is there if links are followed
    ("in", "index.html", "in", b"index.html"),
    ("a/up", "../index.html", "a/up", b"index.html"),
    ("a/deep/far", "../../a/./b.txt", "a/deep/far", B),
    ("a/deep/round", "..//deep///c.txt", "a/deep/round", C),
    ("slash", "a/", "slash", FOLDER),
    ("slash", "a/deep/", "slash/c.txt", C),
    ("slash", "index.html/", "slash", None),  # a slash says that it is a directory
    ("slash", "index.html/.", "slash", None),
    ("folder", "a", "folder/b.txt", B),
    ("folder", "a", "folder", FOLDER),
    ("here", ".", "here/here/here/index.html", b"index.html"),
    ("here", ".", "here", FOLDER),
    ("back", "a/deep/..", "back/b.txt", B),
    ("back", "a/deep/..", "back", FOLDER),
    ("physical", "inner/../b.txt", "physical", B),  # ".." is where the link leads, not where it lies
    ("textual", "inner/../index.html", "textual", None),
    ("dotted", "inner/./.././b.txt", "dotted", B),
    ("dotted", "inner/.", "dotted/c.txt", C),
    ("dotted", "here/a/deep/here2/../b.txt", "dotted", B),
    ("twice", "inner/../deep/../b.txt", "twice", B),
    ("top", "a/..", "top/index.html", b"index.html"),
    ("chain", "in", "chain", b"index.html"),
    ("chain", "in", "chain/x", None),
    ("absolute", "{}/index.html", "absolute", b"index.html"),
    ("a/deep/absolute", "{}//a/b.txt", "a/deep/absolute", B),
    ("a/deep/root", "{}", "a/deep/root/a/b.txt", B),
    ("a/deep/root", "{}/", "a/deep/root", FOLDER),
    ("known", ".well-known/acme", "known", b".well-known/acme"),
    ("hidden", ".hidden", "hidden", None),
    ("git", ".git", "git/config", None),
    ("inside", "a/../.git/config", "inside", None),
    ("hidden absolute", "{}/.git", "hidden absolute/config", None),
    ("loop", "loop", "loop", None),
    ("loop", "loop", "loop/x", None),
    ("longer", "longer/longer", "longer", None),
    ("dangling", "nothing", "dangling", None),
    ("dangling", "nothing", "dangling/x", None),
    ("through", "index.html/x", "through", None),
    ("out", "../secret.txt", "out", None),
    ("a/out", "../../secret.txt", "a/out", None),
    ("out", "../outside", "out", None),
    ("out", "../outside", "out/secret.txt", None),
    ("out", "..", "out", None),
    ("out", "..", "out/secret.txt", None),
    ("out", "../", "out", None),
    ("out", "a/../..", "out", None),
    ("out", "{}/..", "out", None),
    ("out", "..", "out/site/index.html", None),
    ("out", "../site/index.html", "out", None),  # and in again
    ("out", "a/../../secret.txt", "out", None),
    ("out", "here/../secret.txt", "out", None),
    ("out", "inner/../../../secret.txt", "out", None),
    ("out", "{}/../secret.txt", "out", None),
    ("out", "{}/../outside", "out/secret.txt", None),
    ("out", "{}x/secret.txt", "out", None),
    ("out", "{}x/index.html", "out", None),
    ("out", "{}/../site/index.html", "out", None),
    ("out", "/etc/passwd", "out", None),
    ("out", "/", "out/etc/passwd", None),
    ("out", "//etc", "out/passwd", None),
    ("out", "/proc/self/root", "out/etc/passwd", None),
    ("out", "/proc/self/cwd", "out", None),
]


@pytest.mark.parametrize(("name", "target", "path", "found"), LINKS)
def test_links(site: Path, name: str, target: str, path: str, found: bytes | None) -> None:
    for each in (("inner", "a/deep"), ("here", "."), ("a/deep/here2", "./"), ("in", "index.html"), (name, target)):
        link(site, *each)
    with opened(site) as tree:
        with pytest.raises(Missing):
            tree.open(path)
    with opened(site, follow=True) as tree:
        if found is None:
            with pytest.raises(Missing):
                tree.open(path)
        else:
            assert read(tree, path) == found
            assert tree.status(path) == os.stat(site / path)


def test_a_link_to_a_hidden_file_needs_dotfiles(site: Path) -> None:
    link(site, "git", ".git")
    with opened(site, follow=True, dotfiles=True) as tree:
        assert read(tree, "git/config") == b".git/config"


def test_a_link_to_what_is_no_file(site: Path) -> None:
    os.mkfifo(site / "fifo")
    link(site, "link", "fifo")
    with opened(site, follow=True) as tree, pytest.raises(Missing):
        tree.open("link")


@pytest.mark.parametrize("last", ["index.html", "a"])
def test_forty_links_are_followed(site: Path, last: str) -> None:
    for number in range(41):
        link(site, f"{number}", f"{number - 1}" if number else last)
    with opened(site, follow=True) as tree:
        end = "/b.txt" if last == "a" else ""
        assert read(tree, f"39{end}") == (last + end).encode()
        with pytest.raises(Missing):
            tree.open(f"40{end}")


def test_as_deep_as_it_goes(site: Path) -> None:
    deep = "/".join("d" * (DEPTH - 1))
    (site / deep).mkdir(parents=True)
    (site / deep / "f").write_bytes(b"deep")
    link(site, f"{deep}/link", "d/f")
    link(site, "half", "/".join("d" * 100))
    with opened(site, follow=True) as tree:
        assert read(tree, f"{deep}/f") == b"deep"
        (site / deep / "d").mkdir()
        (site / deep / "d/f").write_bytes(b"deeper")
        with pytest.raises(Missing):
            tree.open(f"{deep}/d/f")
        assert read(tree, f"{deep}/link") == b"deeper"  # 128 directories, and a name
        (site / deep / "d/d").mkdir()
        (site / deep / "d/d/f").write_bytes(b"too deep")
        link(site, f"{deep}/link", "d/d/f")
        with pytest.raises(Missing):
            tree.open(f"{deep}/link")
        assert read(tree, "half/" + "/".join("d" * 28)) == FOLDER


def test_the_root_itself_may_be_a_link(site: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("site")
    link(site, "real", "{}/index.html")
    link(site, "unreal", str(tmp_path / "current/index.html"))
    with opened(tmp_path / "current", follow=True) as tree:
        assert read(tree, "index.html") == read(tree, "real") == b"index.html"
        with pytest.raises(Missing):
            tree.open("unreal")


def test_everything_can_be_the_root(site: Path) -> None:
    link(site, "etc", "/etc")
    with opened(Path("/"), follow=True, dotfiles=True) as tree:
        assert read(tree, str(site / "index.html")[1:]) == b"index.html"
        assert read(tree, str(site / "etc")[1:]) == FOLDER


def test_a_directory_that_is_moved_away_keeps_its_way_back(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ".." says is where we came from, not where the directory is now."""
    (site / "secret.txt").write_bytes(b"harmless")
    link(site, "a/link", "../secret.txt")
    say = os.readlink

    def moved(*args: Any, **options: Any) -> Any:
        (site / "a").rename(tmp_path / "outside/a")
        return say(*args, **options)

    monkeypatch.setattr(os, "readlink", moved)
    with opened(site, follow=True) as tree:
        assert read(tree, "a/link") == b"harmless"


SWAP = """
import os, sys
good, evil, aside = sys.argv[1:]
print(flush=True)
while True:
    for old, new in ((good, aside), (evil, good), (good, evil), (aside, good)):
        os.rename(old, new)
"""


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize(("path", "target"), [("swap/f", "../outside"), ("swap", "../secret.txt")])
def test_what_is_swapped_for_a_link_leads_nowhere(site: Path, path: str, target: str, follow: bool) -> None:
    if "/" in path:
        (site / "swap").mkdir()
    (site / path).write_bytes(b"fine")
    link(site, "evil", target)
    command = [sys.executable, "-c", SWAP, *(str(site / name) for name in ("swap", "evil", "aside"))]
    with opened(site, follow=follow) as tree, subprocess.Popen(command, stdout=subprocess.PIPE) as swapper:
        try:
            assert swapper.stdout is not None
            swapper.stdout.readline()
            seen: set[bytes | None] = set()
            until = monotonic() + 10
            for turn in count():
                try:
                    seen.add(read(tree, path))
                except Missing:
                    seen.add(None)
                if (turn >= 20_000 and len(seen) > 1) or monotonic() > until:
                    break
        finally:
            swapper.kill()
    assert seen == {b"fine", None}
