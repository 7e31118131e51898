"""The running program: curl, nc and datagrams over every kind of socket, and how it stops on a signal."""

import contextlib
import http.client
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import need
from .program import DEADLINE, Program, connect, curl, environment

SLOW = """
import threading, time
from reactor import Later, Response

def handler(request):
    if request.path == "/blocked":
        print("blocked", flush=True)
        time.sleep(60)
    later = Later()
    def answer():
        print("working", flush=True)
        time.sleep(60 if request.path == "/forever" else 0.5)
        later.answer(Response(200, "slow"))
    threading.Thread(target=answer, daemon=True).start()
    return later
"""


# Whom it answers.


def test_curl_and_nc_over_every_kind_of_stream_socket(tmp_path: Path) -> None:
    name = f"reactor-test-{os.getpid()}"
    binds = ["127.0.0.1:0", "[::1]:0", "unix:s", f"unix:@{name}"]
    with Program(*(each for bind in binds for each in ("-b", bind)), cwd=tmp_path) as program:
        v4, v6, path, abstract = program.addresses
        assert (path, abstract) == ("unix:s", f"unix:@{name}")
        assert v6.startswith("http://[::1]:")
        for way in (
            (v4,), (v6,),
            ("--unix-socket", f"{tmp_path}/s", "http://localhost/"),
            ("--abstract-unix-socket", name, "http://localhost/"),
        ):  # fmt: skip
            *options, url = way
            assert curl(*options, url).startswith("HTTP/1.1 200 OK\n")
            assert curl(*options, url).endswith("\nWelcome to the server!")
            assert curl(*options, f"{url}test").endswith("\nHello")
            assert curl(*options, f"{url}nope").startswith("HTTP/1.1 404 Not Found\n")
        host, port = v4.removeprefix("http://").rstrip("/").split(":")
        typed = "GET /test HTTP/1.1\nHost: me\nConnection: close\n\n".replace("\n", "\r\n")
        for target in ((host, port), ("-U", f"{tmp_path}/s")):
            command = [need("nc"), "-w", "5", *target]
            said = subprocess.run(command, input=typed.encode(), capture_output=True, timeout=DEADLINE).stdout
            assert said.startswith(b"HTTP/1.1 200 OK\r\n")
            assert said.endswith(b"\r\n\r\nHello")
        assert program.stop() == 0
    assert not (tmp_path / "s").exists()


def test_the_curl_line_of_the_banner_works_as_it_stands(tmp_path: Path) -> None:
    need("curl")
    with Program("-b", "unix:a b", cwd=tmp_path) as program:
        line = next(line for line in program.banner if line.startswith("try")).removeprefix("try").strip()
        assert subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True).stdout.endswith(b"Hello")


def test_datagrams_are_echoed(tmp_path: Path) -> None:
    with Program("echo", "-b", "udp://127.0.0.1:0", cwd=tmp_path) as program:
        host, port = program.url.removeprefix("udp://").split(":")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(DEADLINE)
            client.sendto(b"ping", (host, int(port)))
            assert client.recv(100) == b"ping"
        assert "nc -u" in program.said()
        assert program.stop() == 0


# A directory.


def test_a_directory_is_served(tmp_path: Path) -> None:
    (tmp_path / "site" / "sub").mkdir(parents=True)
    (tmp_path / "site" / "a.txt").write_text("in the site")
    (tmp_path / "site" / ".secret").write_text("hidden")
    (tmp_path / "secret").write_text("outside")
    with Program("site", cwd=tmp_path) as program:
        assert re.fullmatch(r"Reactor \S+ serves site \(files\)", program.banner[0])
        assert program.banner[-2].endswith(f"curl -i {program.url}/")
        assert curl(f"{program.url}/a.txt").endswith("\n\nin the site")
        assert 'href="a.txt"' in curl(f"{program.url}/")
        assert "secret" not in curl(f"{program.url}/")
        for path in ("/.secret", "/../secret", "/sub/%2e%2e/%2e%2e/secret"):
            assert curl("--path-as-is", f"{program.url}{path}").startswith("HTTP/1.1 404 Not Found\n")
        assert "HTTP/1.1 405 Method Not Allowed\n" in curl("-T", str(tmp_path / "secret"), f"{program.url}/b.txt")
        assert program.stop() == 0
        assert re.search(r"GET /a.txt 200 11 B", program.said("stdout"))


@pytest.mark.parametrize(
    ("arguments", "env"),
    [
        (["site", "--upload"], {}),
        (["-d", "site", "--upload"], {}),
        ([], {"REACTOR_DIRECTORY": "site", "REACTOR_UPLOAD": "yes"}),
        (["--mount", "/=site:upload=yes"], {}),
    ],
)
def test_files_are_uploaded(tmp_path: Path, arguments: list[str], env: dict[str, str]) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "new.txt").write_text("new")
    with Program(*arguments, cwd=tmp_path, env=env) as program:
        new = str(tmp_path / "new.txt")
        assert "HTTP/1.1 201 Created\n" in curl("-T", new, f"{program.url}/")
        assert curl(f"{program.url}/new.txt").endswith("\n\nnew")
        assert curl("-T", new, f"{program.url}/new.txt").startswith("HTTP/1.1 409 Conflict\n")  # before it was sent
        sent = curl("-F", f"file=@{new};filename=form.txt", f"{program.url}/")
        assert "HTTP/1.1 303 See Other\n" in sent
        assert "Location: ?uploaded=1\n" in sent
        assert program.stop() == 0
    assert {path.name: path.read_text() for path in (tmp_path / "site").iterdir()} == dict.fromkeys(
        ["new.txt", "form.txt"], "new"
    )


# How it stops.


def test_a_slow_answer_is_finished_before_it_stops(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    with Program("slow.py", cwd=tmp_path) as program:
        connection = connect(program)
        connection.request("GET", "/")
        program.await_said("working", "stdout")
        program.send(signal.SIGTERM)
        program.await_said(r"draining 1 connection…$")
        with pytest.raises(ConnectionRefusedError):
            connect(program).connect()
        response = connection.getresponse()
        assert (response.status, response.getheader("Connection"), response.read()) == (200, "close", b"slow")
        assert program.wait() == 0
        assert program.said().endswith("stopped\n")
        assert re.search(r"GET / 200 4 B", program.said("stdout"))
        connection.close()


def test_a_hang_up_is_a_stop(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    with Program("slow.py", cwd=tmp_path) as program, contextlib.closing(connect(program)) as connection:
        connection.request("GET", "/")
        program.await_said("working", "stdout")
        program.send(signal.SIGHUP)
        assert connection.getresponse().read() == b"slow"
        assert program.wait() == 0
        assert program.said().endswith("stopped\n")


def test_under_nohup_a_hang_up_is_none(tmp_path: Path) -> None:
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which a child inherits
    try:
        program = Program(cwd=tmp_path)
    finally:
        signal.signal(signal.SIGHUP, former)
    with program:
        program.send(signal.SIGHUP)
        assert "Hello" in curl(f"{program.url}/test")
        assert program.stop() == 0


def test_a_closed_terminal_is_a_stop(tmp_path: Path) -> None:
    """Nobody is left to be told, which is no reason to crash."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "reactor", "--port", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), preexec_fn=lambda: os.login_tty(theirs))
    os.close(theirs)
    read_until(ours, b"Ctrl-C")
    os.close(ours)
    assert process.wait(DEADLINE) == 0


def test_the_last_line_of_the_access_log_is_written(tmp_path: Path) -> None:
    """Where a client has said goodbye, its answer, the close, and the end of the server are one turn."""
    (tmp_path / "slow.py").write_text(SLOW)
    with Program("slow.py", cwd=tmp_path) as program, contextlib.closing(connect(program)) as connection:
        connection.request("GET", "/")
        connection.sock.shutdown(socket.SHUT_WR)
        program.await_said("working", "stdout")
        assert program.stop() == 0
        assert connection.getresponse().read() == b"slow"
        assert re.search(r"GET / 200 4 B", program.said("stdout"))


def test_idle_connections_are_not_waited_for(tmp_path: Path) -> None:
    with Program(cwd=tmp_path) as program:
        idle = [connect(program) for _ in range(20)]
        for connection in idle[:10]:
            connection.request("GET", "/")
            connection.getresponse().read()
        for connection in idle[10:]:
            connection.connect()
        began = time.monotonic()
        assert program.stop() == 0
        assert time.monotonic() - began < 5  # timeout_keep_alive is 75 s, timeout_graceful_shutdown 10 s
        assert "draining" not in program.said()
        for connection in idle:
            connection.close()


@pytest.mark.parametrize("path", ["/forever", "/blocked"])
def test_a_second_int_stops_at_once(path: str, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    with Program("slow.py", cwd=tmp_path) as program:
        connection = connect(program)
        connection.request("GET", path)
        program.await_said("working|blocked", "stdout")
        program.send(signal.SIGINT)
        if path == "/forever":
            program.await_said("draining 1 connection…")
        else:
            time.sleep(0.2)  # two signals of the same number that come together are one
        began = time.monotonic()
        assert program.stop(signal.SIGINT) == 0
        assert time.monotonic() - began < 5
        with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
            connection.getresponse()
        connection.close()


def test_what_takes_too_long_is_reset_at_the_deadline(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    with Program("slow.py", "--timeout-graceful-shutdown", "500ms", cwd=tmp_path) as program:
        connection = connect(program)
        connection.request("GET", "/forever")
        program.await_said("working", "stdout")
        assert program.stop() == 0
        assert "1 connection not done in time; reset" in program.said()
        with pytest.raises(ConnectionResetError):
            connection.getresponse()
        connection.close()


def test_on_a_terminal_it_is_coloured_and_ctrl_c_stops_it(tmp_path: Path) -> None:
    """A pseudo-terminal of its own, on which Ctrl-C is typed as a byte."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "reactor", "--port", "0"],
        cwd=tmp_path,
        env={**environment(), "TERM": "xterm", "NO_COLOR": ""},
        preexec_fn=lambda: os.login_tty(theirs),
    )
    os.close(theirs)
    screen = read_until(ours, b"Ctrl-C\r\n")
    assert b"\x1b[1mReactor " in screen
    assert b"\x1b[2mstop\x1b[0m  Ctrl-C" in screen
    os.write(ours, b"\x03")
    assert b"^C\rstopped" in read_until(ours, b"stopped\r\n")
    assert process.wait(DEADLINE) == 0
    os.close(ours)


def read_until(fd: int, end: bytes) -> bytes:
    """What comes from a terminal until `end` is in it."""
    data, until = b"", time.monotonic() + DEADLINE
    while end not in data:
        ready, _, _ = select.select([fd], [], [], max(until - time.monotonic(), 0))
        assert ready, data
        data += os.read(fd, 4096)
    return data
