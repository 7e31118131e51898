"""wget and aria2: resumed, mirrored by the listings alone, only what is newer, and in eight pieces at once."""

import os
import re
from pathlib import Path

from .clients import MIB, answered, digest, digests, noise, run, serving

# Not "%41": wget asks for the right one, and decodes its name twice to save it.
NAMES = [
    "plain.txt", "with space.txt", "größe.txt", "日本語.txt", "100%.txt", "5%-7%.txt", "a&b=c;d+e.txt", "q?r.txt",
    "#1.txt", "a:b.txt", "<b>bold<i>.txt", "quo'te\".txt", "back\\slash.txt", "-dash.txt", "~tilde.txt",
    "[x]{y}|z^.txt", "é.txt", "e\u0301.txt",
]  # fmt: skip


def wget(*arguments: str, cwd: Path) -> None:
    run("wget", "--no-config", "--no-proxy", "--execute=robots=off", "--tries=1", "-nv", *arguments, cwd=cwd)


def test_a_broken_download_is_resumed(site: Path, desk: Path) -> None:
    (site / "file").write_bytes(noise(3 * MIB))
    (desk / "file").write_bytes(noise(3 * MIB)[:1_000_000])
    with serving(site) as program:
        wget("-c", f"{program.url}/file", cwd=desk)
        program.await_said(rf"GET /file 206 {3 * MIB - 1_000_000} B", "stdout")
        wget("-c", f"{program.url}/file", cwd=desk)  # it is complete
        assert answered(program, "/file") == [206, 416]
    assert digest(desk / "file") == digest(site / "file")


def folders(site: Path) -> None:
    """Every name in three folders, one below the other, and in each something of its own; one folder is empty."""
    folder = site
    for depth, name in enumerate(("", "sub folder %20", "größer & tiefer")):
        folder /= name
        folder.mkdir(exist_ok=True)
        for each in NAMES:
            (folder / each).write_text(f"{depth} {each}")
    (site / "empty").mkdir()


def pages(folder: Path) -> set[str]:
    """The listings that a mirror has saved beside the files."""
    return {path for path in digests(folder) if Path(path).name.startswith("index.html")}


def test_a_mirror_has_every_file(site: Path, desk: Path) -> None:
    folders(site)
    with serving(site) as program:
        wget("-m", "-np", "-nH", "--restrict-file-names=nocontrol", f"{program.url}/", cwd=desk)
        for line in program.said("stdout").splitlines():
            assert re.search(r" (200|301) \d+ B", line), "a link that leads nowhere"
    fetched = digests(desk)
    listings = pages(desk)
    assert {path: fetched[path] for path in fetched.keys() - listings} == digests(site)
    assert {"index.html", "sub folder %20/index.html", "empty/index.html"} <= listings
    assert len(listings) < 10 * 4, "links to sort by are few for each folder"


def test_a_mirror_without_the_other_orders(site: Path, desk: Path) -> None:
    """As docs/files.md has it."""
    folders(site)
    with serving(site) as program:
        wget("-m", "-np", "-nH", "--restrict-file-names=nocontrol", "--reject-regex=[?]", f"{program.url}/", cwd=desk)
        assert "?sort" not in program.said("stdout")
    assert {Path(path).name for path in pages(desk)} == {"index.html"}
    assert digests(desk).items() >= digests(site).items()


def test_a_part_is_mirrored_without_what_is_above_it(site: Path, desk: Path) -> None:
    folders(site)
    with serving(site) as program:
        wget("-r", "-np", "-nH", "-R", "index.html*", "--restrict-file-names=nocontrol",
             f"{program.url}/sub%20folder%20%2520/", cwd=desk)  # fmt: skip
    assert digests(desk) == {path: each for path, each in digests(site).items() if path.startswith("sub folder")}


def test_only_what_is_newer(site: Path, desk: Path) -> None:
    (site / "file").write_bytes(b"old")
    os.utime(site / "file", (10**9, 10**9))
    with serving(site) as program:
        url = f"{program.url}/file"
        wget("-N", url, cwd=desk)
        assert (desk / "file").stat().st_mtime == 10**9
        wget("-N", url, cwd=desk)
        (site / "file").write_bytes(b"new")
        wget("-N", url, cwd=desk)
        assert answered(program, "/file") == [200, 304, 200]
    assert (desk / "file").read_bytes() == b"new"


def test_aria2_takes_a_file_in_pieces_at_once(site: Path, desk: Path) -> None:
    (site / "file").write_bytes(noise(20 * MIB))
    with serving(site) as program:
        options = ("--no-conf", "-q", "-x8", "-s8", "-k1M", "--file-allocation=none")
        run("aria2c", *options, f"{program.url}/file", cwd=desk)
        statuses = answered(program, "/file")
    assert statuses.count(206) >= 7, "the first may have asked for the whole"
    assert set(statuses) <= {200, 206}
    assert digest(desk / "file") == digest(site / "file")
