"""What every test may use: tools of the system that a machine may lack, and a skip that CI does not accept."""

import os
import shutil
from typing import NoReturn

import pytest


def need(tool: str) -> str:
    """The path of a system tool (curl, nc, wrk); without it the test is skipped, and in CI it fails."""
    path = shutil.which(tool)
    if path is None:
        absent(f"{tool} is not installed")
    return path


def absent(reason: str) -> NoReturn:
    """This machine cannot run the test: skip it with a plain reason; in CI, where everything must run, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and in CI nothing may be skipped for that")
    pytest.skip(reason)
