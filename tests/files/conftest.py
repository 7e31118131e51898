"""The folders of a test of clients: what is served, and where a client works."""

from pathlib import Path

import pytest


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The folder that is served; empty."""
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """The folder a client works in, its home as well; empty."""
    folder = tmp_path / "desk"
    folder.mkdir()
    return folder
