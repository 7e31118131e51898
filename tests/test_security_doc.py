"""What docs/security.md names is there: tests, files, commands, flags; and its numbers are those of the code."""

import importlib
import re
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path

import pytest

from reactor.settings import KIB, MIB, Settings

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")

TEST = re.compile(r"`(tests/[\w/.-]+)(?:::(\w+))?`")
FILE = re.compile(r"`((?:reactor|handlers|loadtest|docs)/[\w/.-]+)`")
COMMAND = re.compile(r"python3 -m ([\w.]+)")
FLAG = re.compile(r"--((?:limit|timeout|least)-[a-z-]+|backlog)\b")
FIELD = re.compile(r"`((?:limit|timeout|least)_\w+)`")
ROW = re.compile(r"^\| `(--[a-z-]+|reactor\.[\w.]+)` \| ([^|]+?) \|", re.MULTILINE)  # a number's name, and the number

SETTINGS = {each.name: each for each in fields(Settings)}
BOUNDS = [name for name in SETTINGS if name.startswith(("limit_", "timeout_", "least_")) or name == "backlog"]


def missing_tests(text: str) -> Iterator[str]:
    """The tests and files under tests/ that `text` names and that are not there."""
    for path, name in TEST.findall(text):
        file = ROOT / path
        is_there = file.exists() if not name else file.is_file() and defines(file, name)
        if not is_there:
            yield f"{path}::{name}" if name else path


def defines(file: Path, name: str) -> bool:
    return re.search(rf"^def {name}\(", file.read_text("utf-8"), re.MULTILINE) is not None


def missing_files(text: str) -> Iterator[str]:
    yield from (path for path in FILE.findall(text) if not (ROOT / path).exists())
    for module in COMMAND.findall(text):
        path = ROOT / module.replace(".", "/")
        if not path.with_suffix(".py").is_file() and not (path / "__main__.py").is_file():
            yield f"python3 -m {module}"


def unknown_settings(text: str) -> Iterator[str]:
    named = {name.replace("-", "_") for name in FLAG.findall(text)} | set(FIELD.findall(text))
    yield from sorted(named - SETTINGS.keys())


def wrong_numbers(text: str) -> Iterator[str]:
    """The rows of tables whose second column is not the default of the flag, or the value of the constant."""
    for name, said in ROW.findall(text):
        value = default(SETTINGS[name[2:].replace("-", "_")]) if name.startswith("--") else constant(name)
        if said != value:
            yield f"{name} is {value}, not {said}"


def default(setting: Field[object]) -> str:
    """As the page writes it."""
    value, unit = setting.default, setting.metadata["unit"]
    assert isinstance(value, int | float)
    if value == -1:
        return "from RLIMIT_NOFILE"
    if not value:
        return "off"
    if unit == "seconds":
        return f"{value:g} s"
    if unit == "bytes":
        return f"{value // MIB} MiB" if value >= MIB else f"{value // KIB} KiB"
    return str(value)


def constant(name: str) -> str:
    module, _, attribute = name.rpartition(".")
    return str(getattr(importlib.import_module(module), attribute))


def test_every_test_that_is_named_exists() -> None:
    assert list(missing_tests(PAGE)) == []
    assert len(TEST.findall(PAGE)) > 50


def test_every_file_and_command_exists() -> None:
    assert list(missing_files(PAGE)) == []


def test_every_setting_that_is_named_exists() -> None:
    assert list(unknown_settings(PAGE)) == []


@pytest.mark.parametrize("name", BOUNDS)
def test_every_limit_and_timeout_is_in_a_table(name: str) -> None:
    flag = f"--{name.replace('_', '-')}"
    if name == "least_rate":  # in words, below the timeouts
        assert f"`{flag}` ({SETTINGS[name].default} bytes a second)" in PAGE
    else:
        assert flag in [named for named, _ in ROW.findall(PAGE)]


def test_the_numbers_are_those_of_the_code() -> None:
    assert list(wrong_numbers(PAGE)) == []


def test_what_is_wrong_is_seen() -> None:
    """The checks above, on a page with a fault of each kind."""
    page = (
        "`tests/test_limits.py::test_concurrency` `tests/test_limits.py::test_nothing` `tests/none/` `tests/corpus/`\n"
        "`reactor/wait.py` `reactor/hurry.py` python3 -m tests.simulation python3 -m tests.nothing python3 -m tests\n"
        "`--limit-body-size` `--limit-mind-size` `timeout_write` `timeout_read` `--backlog`\n"
        "| `--timeout-write` | 30 s | |\n| `--timeout-body` | 30 s | |\n| `--limit-headers` | 100 | |\n"
        "| `reactor.dialogue.PIPELINE` | 16 | |\n| `reactor.dialogue.STEPS` | 16 | |\n"
    )
    assert list(missing_tests(page)) == ["tests/test_limits.py::test_nothing", "tests/none/"]
    assert list(missing_files(page)) == ["reactor/hurry.py", "python3 -m tests.nothing"]
    assert list(unknown_settings(page)) == ["limit_mind_size", "timeout_read"]
    assert list(wrong_numbers(page)) == ["--timeout-body is 60 s, not 30 s", "reactor.dialogue.STEPS is 1500, not 16"]
