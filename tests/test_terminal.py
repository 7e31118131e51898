"""What a person sees: one line per record, nothing that garbles a terminal, colours only where they are wanted."""

import io
import logging
import sys

import pytest

from reactor.terminal import LineFormatter, LineHandler, Paint, is_coloured, printable


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")


def record(message: str, level: int = logging.WARNING, name: str = "reactor") -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, message, None, None)


def test_colours_on_a_terminal_unless_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_coloured(Terminal())
    assert not is_coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_coloured(Terminal())
    monkeypatch.setenv("NO_COLOR", "")
    monkeypatch.setenv("TERM", "dumb")
    assert not is_coloured(Terminal())
    assert Paint(Terminal())("\x1b[1m", "x") == "x"


def test_a_record_is_a_line() -> None:
    line = LineFormatter(io.StringIO()).format(record("two\nlines \x1b[31m \x9b \u202e end"))
    assert line.endswith(r" warning  two\nlines \x1b[31m \x9b \u202e end")
    assert line[:20].count("-") == 2  # the date: it is kept somewhere


def test_on_a_terminal_the_level_is_coloured_and_the_date_is_known() -> None:
    line = LineFormatter(Terminal()).format(record("x", logging.ERROR))
    assert "\x1b[31merror   \x1b[0m x" in line
    assert "-" not in line


def test_other_loggers_are_named() -> None:
    assert LineFormatter(io.StringIO()).format(record("x", name="shop.cart")).endswith("warning  shop.cart: x")


def test_no_line_of_a_traceback_looks_like_a_record() -> None:
    try:
        raise ValueError("first\n2026-01-01 00:00:00 error    forged\x1b[2J")
    except ValueError:
        failed = record("it raised")
        failed.exc_info = sys.exc_info()
    first, *more = LineFormatter(io.StringIO()).format(failed).split("\n")
    assert first.endswith("it raised")
    assert len(more) >= 4
    assert all(line.startswith("    ") for line in more)
    assert more[-1] == r"    2026-01-01 00:00:00 error    forged\x1b[2J"


def test_printable_keeps_what_can_be_read() -> None:
    assert printable("größe – 大 \udcff\t") == r"größe – 大 \udcff\t"


def test_what_a_framework_has_written_itself_is_not_written_again(capsys: pytest.CaptureFixture[str]) -> None:
    """Django's logger has a handler of its own while DEBUG is on, and its records come to the root all the same."""
    stream = io.StringIO()
    ours = LineHandler(stream)
    its = logging.StreamHandler(sys.stderr)
    its.setLevel(logging.WARNING)
    framework = logging.getLogger("tests.framework")
    framework.addHandler(its)
    logging.getLogger().addHandler(ours)
    try:
        logging.getLogger("tests.framework.part").warning("said by it")
        logging.getLogger("tests.framework.part").setLevel(logging.INFO)
        logging.getLogger("tests.framework.part").info("too quiet for it")
        logging.getLogger("tests.other").warning("said by us")
    finally:
        framework.removeHandler(its)
        logging.getLogger().removeHandler(ours)
        ours.close()
    assert "said by it" in capsys.readouterr().err
    assert "said by it" not in stream.getvalue()
    assert "too quiet for it" in stream.getvalue()
    assert "said by us" in stream.getvalue()
