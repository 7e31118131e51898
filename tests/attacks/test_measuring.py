"""The measurements with attacks, in small: they run, print their tables, and say what they lack."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from loadtest import slow

from ..program import ROOT, environment

pytestmark = pytest.mark.attack


def test_attacks_are_measured_told_and_drawn(tmp_path: Path) -> None:
    svg = tmp_path / "attacks.svg"
    command = [sys.executable, "-m", "loadtest.attacks", "garbage", "--rounds", "1", "--seconds", "0.5"]
    done = subprocess.run(
        [*command, "--markdown", "--svg", str(svg)], cwd=ROOT, env=environment(), capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n| send anything but HTTP (`garbage`) | " in done.stdout
    assert "| 100 % |" in done.stdout
    texts = [each.text for each in ElementTree.fromstring(svg.read_text()).iter("{http://www.w3.org/2000/svg}text")]
    assert "garbage" in texts


def test_without_slowhttptest_it_says_where_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", ["slow"])
    assert slow.main() == 2
    assert "apt install slowhttptest" in capsys.readouterr().err
