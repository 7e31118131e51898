"""The access log and the connection: what it says was sent is what was sent."""

import fcntl
import os
import pty
import re
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from reactor.access_log import AccessLog
from reactor.http1.errors import ProtocolError
from reactor.http1.request import Origin
from reactor.outlet import Outlet
from reactor.terminal import GREEN, PLAIN, YELLOW

from .simulated import HELLO, World, blocked, get, post


@pytest.mark.parametrize("path", ["/hello", "/big", "/file", "/iterator", "/iterator-length"])
def test_the_access_log_has_the_whole_size(path: str) -> None:
    log = StringIO()
    world = World(log_to=log)
    world.transport.room = 1
    world.arrive(get(path))
    world.take(None)
    assert world.state == "IDLE"
    [line] = log.getvalue().splitlines()
    size = int(line.split(" B ")[0].rpartition(" ")[2])
    head, _, body = world.sent.partition(b"\r\n\r\n")
    if b"chunked" in head:  # the framing is not the body
        body = b"".join(re.findall(rb"[0-9a-f]+\r\n(.+?)\r\n", body, re.DOTALL))
    assert size == len(body) > 0


def test_the_access_log_says_what_broke_off() -> None:
    log = StringIO()
    world = World(log_to=log)
    blocked(get("/promises"), room=1000)(world)  # its second piece never comes
    world.fail()
    assert "broken off" in log.getvalue()


def test_a_refusal_is_in_the_access_log() -> None:
    log = StringIO()
    world = World(log_to=log)
    world.arrive(HELLO + b"NONSENSE\r\n\r\n")
    assert [line.split()[2:4] for line in log.getvalue().splitlines()] == [["/hello", "200"], ["400", "a"]]


def test_what_a_peer_sent_is_one_line_and_harmless() -> None:
    log = StringIO()
    gathered: list[Callable[[], None]] = []
    access_log = AccessLog(gathered.append, log)
    access_log.refused(Origin(), ProtocolError(400, "a\nb \x1b[31m"))
    gathered[0]()
    assert log.getvalue() == "unix - 400 a\\nb \\x1b[31m\n"


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_status_has_its_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    log = Terminal()
    world = World(log_to=log)
    world.arrive(HELLO + b"NONSENSE\r\n\r\n")
    first, second = log.getvalue().splitlines()
    assert f" GET /hello {GREEN}200{PLAIN} " in first
    assert f" - {YELLOW}400{PLAIN} " in second


# Where nobody reads.


class Pipe:
    """A pipe, and an outlet into it; the least that Linux makes."""

    def __init__(self) -> None:
        self.reader, writer = os.pipe()
        self.stream = os.fdopen(writer, "w")
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        self.outlet = Outlet(self.stream)

    def read(self) -> str:
        """All that is in there, which is something."""
        return os.read(self.reader, 1 << 20).decode()

    def read_all(self) -> str:
        """All that is in there, and what was kept."""
        got = self.read()
        while self.outlet.is_behind:
            self.outlet.write([])
            got += self.read()
        return got


@pytest.fixture(params=["opened anew", "asked"])
def pipe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    if request.param == "asked":  # a system that has no name for it
        monkeypatch.setattr("reactor.outlet._open_anew", lambda fd: -1)
    pipe = Pipe()
    yield pipe
    pipe.outlet.close()
    pipe.stream.close()
    os.close(pipe.reader)


def lines(count: int, size: int = 100) -> list[str]:
    return [f"{number:{size - 1}}\n" for number in range(count)]


def test_the_loop_does_not_wait_for_a_pipe_that_nobody_reads(pipe: Pipe) -> None:
    sent = lines(1000)
    for line in sent:
        pipe.outlet.write([line])
    assert pipe.outlet.is_behind
    assert pipe.read_all() == "".join(sent)
    assert not pipe.outlet.is_behind


def test_the_pipe_of_others_stays_as_it_is(pipe: Pipe) -> None:
    pipe.outlet.write(lines(1))
    assert os.get_blocking(pipe.stream.fileno())


def test_several_lines_leave_as_whole_ones(pipe: Pipe) -> None:
    """So that those of several workers do not mix."""
    pipe.outlet.write(lines(100, 99))
    got = pipe.read()
    assert 4096 - 99 <= len(got) <= 4096
    assert got.endswith("\n")


def test_a_line_longer_than_a_slice_leaves_in_several(pipe: Pipe) -> None:
    [line] = lines(1, 10_000)
    pipe.outlet.write([line])
    assert pipe.read_all() == line


def test_what_is_too_much_is_lost_and_counted(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.outlet.KEPT", 10_000)
    sent = lines(300)
    pipe.outlet.write(sent[:200])
    for line in sent[200:]:
        pipe.outlet.write([line])
    *got, note = pipe.read_all().splitlines(keepends=True)
    assert 100 <= len(got) <= 141
    assert got == sent[: len(got)]
    assert note == f"({300 - len(got)} lines are missing here: nobody read the log)\n"
    pipe.outlet.write(["and on\n"])
    assert pipe.read() == "and on\n"


def test_once_one_is_lost_none_follows_before_it_is_told(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.outlet.KEPT", 10_000)
    pipe.outlet.write(lines(200))
    pipe.read()
    pipe.outlet.write(["lost as well\n"])  # though there would be room
    got = pipe.read_all()
    assert "lost" not in got
    assert re.search(r"\n\(101 lines are missing here: .*\)\n$", got)


def test_the_end_waits_for_a_reader_but_a_moment(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reactor.outlet.PATIENCE", 0.01)
    log = AccessLog(lambda call: None, pipe.stream)
    sent = lines(100)
    log._outlet.write(sent)
    assert log.is_behind
    log.refused(Origin(), ProtocolError(400, "bad"))
    log.close()  # it returns
    assert pipe.read() == "".join(sent[:40])
    log.close()  # and may be said again
    assert pipe.read() == "".join(sent[40:80])
    log.write()
    assert pipe.read() == "".join(sent[80:]) + "unix - 400 bad\n"
    log.close()


def test_a_reader_that_has_gone_costs_nothing(pipe: Pipe) -> None:
    pipe.outlet.write(lines(100))
    os.close(pipe.reader)
    pipe.outlet.write(lines(100))
    assert not pipe.outlet.is_behind
    pipe.reader = os.open(os.devnull, os.O_RDONLY)  # for the fixture to close


def test_a_terminal_that_stands_still_is_not_waited_for() -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        outlet = Outlet(stream)
        sent = lines(1000)
        for line in sent:
            outlet.write([line])
        assert outlet.is_behind
        got = ""
        while len(got) < 101 * len(sent):  # a terminal makes \r\n of \n
            got += os.read(master, 1 << 16).decode()
            outlet.write([])
        assert got.replace("\r\n", "\n") == "".join(sent)
        outlet.close()
    os.close(master)


def test_what_was_printed_before_comes_before(pipe: Pipe) -> None:
    pipe.stream.write("printed\n")
    pipe.outlet.write(["logged\n"])
    assert pipe.read_all() == "printed\nlogged\n"


def test_a_file_gets_everything(tmp_path: Path) -> None:
    with open(tmp_path / "log", "a") as stream:
        outlet = Outlet(stream)
        sent = lines(10_000)
        outlet.write(sent)
        assert not outlet.is_behind
        outlet.close()
    assert (tmp_path / "log").read_text() == "".join(sent)


def test_a_full_disk_and_a_closed_stream_harm_nobody() -> None:
    with open("/dev/full", "w") as full:
        outlet = Outlet(full)
        outlet.write(lines(1))
        assert outlet.is_behind
        outlet.close()
    Outlet(full).write(lines(1))


def test_a_pipe_that_may_not_be_opened_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(path)

    pipe = Pipe()
    monkeypatch.setattr(os, "open", refuse)
    for line in lines(100):
        pipe.outlet.write([line])
    monkeypatch.undo()
    assert pipe.read_all() == "".join(lines(100))
    pipe.stream.close()
    os.close(pipe.reader)


def test_a_refused_body_is_logged_with_its_request() -> None:
    log = StringIO()
    world = World(log_to=log, limit_body_size=5)
    world.arrive(post("/hello", b"x" * 6))
    assert "POST /hello 413 the body is larger than 5 bytes" in log.getvalue()
