"""git over plain files, the "dumb" protocol: cloned, checked, and fetched again, of loose objects and of packs."""

from pathlib import Path

import pytest

from .clients import noise, run, serving

SILENT = {
    "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "C", "GIT_COMMITTER_EMAIL": "c@example.com",
}  # fmt: skip


def git(*arguments: str | Path, cwd: Path) -> str:
    return run("git", "-c", "init.defaultBranch=main", *arguments, cwd=cwd, env=SILENT).stdout.decode().strip()


def commit(work: Path, name: str, data: bytes) -> None:
    """One more commit, in the published repository as well."""
    (work / name).write_bytes(data)
    git("add", "--all", cwd=work)
    git("commit", "-q", "-m", f"Add {name}", cwd=work)
    git("push", "-q", "origin", "main", cwd=work)


@pytest.mark.parametrize("is_packed", [False, True], ids=["loose", "packed"])
def test_a_repository_is_cloned_and_fetched(site: Path, desk: Path, tmp_path: Path, is_packed: bool) -> None:
    bare, work, clone = site / "repo.git", tmp_path / "work", desk / "clone"
    git("init", "-q", "--bare", bare, cwd=tmp_path)
    git("clone", "-q", bare, work, cwd=tmp_path)
    commit(work, "first", noise(100_000))
    commit(work, "second", b"2")
    if is_packed:
        git("gc", "-q", cwd=bare)
    git("update-server-info", cwd=bare)
    with serving(site) as program:
        git("clone", "-q", f"{program.url}/repo.git", clone, cwd=desk)
        assert (clone / "first").read_bytes() == noise(100_000)
        git("tag", "v1", cwd=work)
        commit(work, "third", b"3")
        git("push", "-q", "origin", "v1", cwd=work)
        git("update-server-info", cwd=bare)
        git("pull", "-q", "--ff-only", "--tags", cwd=clone)
    assert git("fsck", "--full", "--strict", cwd=clone) == ""
    assert git("rev-parse", "HEAD", "v1", cwd=clone) == git("rev-parse", "HEAD", "v1", cwd=work)
    assert git("status", "--porcelain", cwd=clone) == ""
    assert git("log", "--format=%s", cwd=clone).splitlines() == ["Add third", "Add second", "Add first"]
