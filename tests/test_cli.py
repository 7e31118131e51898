"""`python -m reactor` as its users have it: what it prints, what goes wrong at the start, the exit codes."""

import contextlib
import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from reactor import Server, __version__, cli
from reactor.cli.parts import loop_factory
from reactor.plugins import PluginError

from .program import DEADLINE, ROOT, Program, connect, curl, environment, run

# What it prints.


def test_a_start_says_what_where_how_to_try_and_how_to_stop(tmp_path: Path) -> None:
    with Program(cwd=tmp_path) as program:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", program.url)
        assert program.banner == [
            f"Reactor {__version__} serves hello",
            f"  {program.url}/",
            f"try   curl -i {program.url}/test",
            f"stop  kill {program.process.pid}",
        ]
        assert program.stop() == 0
        assert program.said().splitlines()[len(program.banner) :] == ["stopped"]


def test_a_start_with_mounts_names_each(tmp_path: Path) -> None:
    with Program("echo", "--mount", "/h=health", cwd=tmp_path) as program:
        assert program.banner[0] == f"Reactor {__version__} serves /h from health"
        assert program.banner[1] == f"{' ' * len(f'Reactor {__version__} serves ')}the rest from echo"
        assert program.banner[3].endswith(f"{program.url}/h")
        with contextlib.closing(connect(program)) as connection:
            connection.request("POST", "/", b"abc")
            assert connection.getresponse().read() == b"abc"
            connection.request("GET", "/h")
            assert connection.getresponse().read() == b"ok"
        assert program.stop(signal.SIGINT) == 0


@pytest.mark.parametrize(("mount", "path"), [("/docs=.", "/docs/"), ("/=.", "/"), ("/up=health", "/up")])
def test_what_is_to_be_tried_of_a_mount_is_answered_there(mount: str, path: str, tmp_path: Path) -> None:
    with Program("--mount", mount, cwd=tmp_path) as program:
        assert program.banner[-2] == f"try   curl -i {program.url}{path}"
        assert "200 OK" in curl(f"{program.url}{path}")


def test_every_address_is_shown_as_one_that_can_be_opened(tmp_path: Path) -> None:
    with Program("-b", "*:0", "-b", "0.0.0.0:0", cwd=tmp_path) as program:
        assert [line for line in program.banner if line.endswith("  (and every other address of this machine)")]
        for url in program.addresses:
            assert url.startswith("http://127.0.0.1:")
            assert "Welcome" in curl(url)
        assert f"try   curl -i {program.url}/test" in program.banner
        program.await_said(r"^127\.0\.0\.1:\d+ GET / 200", "stdout")


def test_without_a_person_it_is_quiet(tmp_path: Path) -> None:
    """Above info there is no banner; what goes wrong is said at every level."""
    path = tmp_path / "s"
    command = [sys.executable, "-m", "reactor", "--log-level", "warning", "-b", f"unix:{path}"]
    process = subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + DEADLINE
    while not path.exists() and time.monotonic() < until:
        time.sleep(0.01)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")  # so it has come to where it catches signals
    process.terminate()
    assert process.communicate(timeout=DEADLINE)[1] == ""
    assert process.returncode == 0


def test_the_access_log_is_on_standard_output(tmp_path: Path) -> None:
    with Program(cwd=tmp_path) as program:
        curl(f"{program.url}/test", "-H", "Connection: close")
        program.await_said(r"GET /test 200 5 B", "stdout")
        assert program.stop() == 0
    with Program("--no-access-log", cwd=tmp_path) as program:
        curl(f"{program.url}/test")
        assert program.stop() == 0
        assert program.said("stdout") == ""


def test_it_serves_on_where_nobody_reads_its_output(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "reactor", "-b", f"unix:{tmp_path}/s"]
    with subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert "Reactor" in process.stderr.readline()
        for _ in range(2):
            assert "Hello" in curl("--unix-socket", f"{tmp_path}/s", "http://localhost/test")
        process.terminate()
        assert "rror" not in process.stderr.read()
        assert process.wait(DEADLINE) == 0


def test_questions_are_answered_on_standard_output(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout.startswith(f"reactor {__version__} (Python 3.")
    text = run("--help", cwd=tmp_path)
    assert (text.returncode, text.stderr) == (0, "")
    assert max(map(len, text.stdout.splitlines())) <= 80
    assert "--timeout-header TIME   for a whole head" in text.stdout
    assert "[16m]" in text.stdout
    assert "\n  reactor greet.py --port 8080\n" in text.stdout
    assert "--no-access-log is REACTOR_ACCESS_LOG=no" in text.stdout
    assert "*:PORT or :PORT (every address" in text.stdout
    shown = run("--print-config", "--port", "5", cwd=tmp_path, env={"REACTOR_BACKLOG": "9"})
    values = tomllib.loads(shown.stdout)
    assert (values["bind"], values["backlog"], values["limit-body-size"]) == (["127.0.0.1:5"], 9, "16m")
    assert re.search(r'^bind += \["127.0.0.1:5"\] +# command line$', shown.stdout, re.MULTILINE)


def test_the_handlers_are_listed_and_a_broken_one_spoils_nothing(tmp_path: Path) -> None:
    info = tmp_path / "site" / "acme-2.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 2.0\n")
    (info / "entry_points.txt").write_text("[reactor.handlers]\ngreet = acme:handler\nwreck = wreck:handler\n")
    (tmp_path / "site" / "acme.py").write_text("def handler(request):\n    'Greets.'\n")
    env = {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path / 'site'}"}
    listed = run("handlers", cwd=tmp_path, env=env)
    assert listed.returncode == 0
    lines = [re.split(r"\s{2,}", line) for line in listed.stdout.splitlines()]
    assert ["greet", "acme 2.0", "Greets"] in lines
    assert ["echo", "built in", "What came, sent back"] in lines
    assert any(line[:2] == ["wreck", "acme 2.0"] and "cannot be loaded" in line[2] for line in lines)
    assert max(map(len, listed.stdout.splitlines())) <= 80
    with Program("greet", cwd=tmp_path, env=env) as program:
        assert program.banner[0].endswith("serves greet")
        assert program.stop() == 0


@pytest.mark.parametrize("buffering", ["", "1"])
def test_a_reader_of_a_listing_may_have_left(buffering: str, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "reactor", "--help"]
    env = environment({"PYTHONUNBUFFERED": buffering})
    ended = subprocess.run(command, cwd=tmp_path, env=env, stdout=writer, stderr=subprocess.PIPE, timeout=DEADLINE)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")


def test_it_needs_no_standard_output(tmp_path: Path) -> None:
    command = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-m", "reactor", "--log-level", "debgu"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, timeout=DEADLINE)
    assert ended.returncode == 2
    assert ended.stderr.startswith(b"reactor: --log-level: debug, info")


def test_the_version_is_said_once() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == __version__


# What is served, and as what.

APPS = """
def plain(request): ...
async def later(request): ...
def wsgi(environ, start_response): ...
async def asgi(scope, receive, send):
    raise LookupError
async def fails(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "there is no database"})
def make():
    raise OSError("no database")
class Breaks:
    async def __call__(self, request): ...
    async def startup(self, server):
        raise OSError("no database")
breaks, app = Breaks(), asgi
def create_app():
    return asgi
"""


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["apps.py:plain"], ["apps.py:plain (handler)"]),
        (["apps:later"], ["apps:later (async handler)"]),
        (["apps.py:wsgi", "--threads", "1", "--queue", "1"], ["apps.py:wsgi (WSGI)"]),
        (["apps.py", "--loop", "uvloop"], ["apps.py:app (ASGI)"]),
        (["./apps.py", "--factory"], ["./apps.py:create_app() (ASGI)"]),
        (["apps:create_app()"], ["apps:create_app() (ASGI)"]),
        (["apps.py:plain", "--interface", "wsgi"], ["apps.py:plain (WSGI)"]),
        (["health:text=fine"], ["health:text=fine"]),
        (["."], [". (files)"]),
        (["-d", "."], [". (files)"]),
        ([".", "--upload"], [".:upload=yes (files)"]),
        (["--mount", "/docs=.:listing=no"], ["/docs from .:listing=no (files)"]),
        (["hello", "--mount", "/a=apps.py", "--threads=1", "--mount", "/b=apps:wsgi"],
         ["/a from apps.py:app (ASGI)", "/b from apps:wsgi (WSGI)", "the rest from hello"]),
    ],
)  # fmt: skip
def test_a_start_says_what_was_found(arguments: list[str], lines: list[str], tmp_path: Path) -> None:
    (tmp_path / "apps.py").write_text(APPS)
    with Program(*arguments, cwd=tmp_path) as program:
        start = f"Reactor {__version__} serves "
        said = program.said().splitlines()
        begin = said.index(start + lines[0])
        assert said[begin + 1 : begin + len(lines)] == [" " * len(start) + line for line in lines[1:]]
        assert program.stop() == 0
    shown = run(*arguments, "--print-config", cwd=tmp_path)
    tomllib.loads(shown.stdout)
    assert [line for line in shown.stdout.splitlines() if line[0] == "#"] == [f"# serves {line}" for line in lines]


def test_what_cannot_be_found_is_shown_as_far_as_it_goes(tmp_path: Path) -> None:
    shown = run("nowhere.py", "--print-config", cwd=tmp_path)
    assert shown.returncode == 3
    assert tomllib.loads(shown.stdout)["target"] == "nowhere.py"
    assert shown.stderr == "reactor: there is no file nowhere.py\n"


@pytest.mark.parametrize("loop", ["auto", "asyncio", "uvloop"])
def test_the_loop_is_what_was_asked_for(loop: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import asyncio\nfrom reactor import Response\n"
        "async def handler(request):\n    return Response(200, type(asyncio.get_running_loop()).__module__)\n"
    )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with Program("app.py", "--loop", loop, cwd=tmp_path) as program:
            assert curl(program.url).rpartition("\n")[2].startswith("uvloop" if loop == "uvloop" else "asyncio")
            assert program.stop(number) == 0
            assert program.said().endswith("\nstopped\n")


def test_a_loop_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PluginError, match="--loop uvloop: the package uvloop is not installed"):
        loop_factory("uvloop")


def test_a_variable_for_what_is_not_served_is_a_warning(tmp_path: Path) -> None:
    env = {"REACTOR_THREADS": "2", "REACTOR_INTERFACE": "wsgi", "REACTOR_LOOP": "uvloop", "REACTOR_FACTORY": "no"}
    with Program("hello", cwd=tmp_path, env=env) as program:
        warnings = [line.partition("warning  ")[2] for line in program.said().splitlines() if "warning" in line]
        assert warnings == [
            "REACTOR_THREADS goes with a WSGI app, and none is served: it is ignored",
            "REACTOR_INTERFACE goes with a handler or an app of a file or a module, and none is served: it is ignored",
            "REACTOR_LOOP goes with an async handler or an ASGI app, and none is served: it is ignored",
        ]
        assert program.stop() == 0


# What goes wrong at the start.


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["--limt-body-size", "5m"], 2, "there is no flag --limt-body-size; did you mean --limit-body-size?"),
        (["--port", "x"], 2, "--port: a port is a number from 0 to 65535, not 'x' (reactor --help shows all)"),
        (["--bind", "nosuch://"], 2, "--bind nosuch://: unknown scheme"),
        (["helo"], 3, "there is no handler and no directory helo; did you mean hello?\n"),
        (["help"], 3, "there is nothing to serve that is called help; did you mean --help?\n"),
        (["8000"], 3, "there is nothing to serve that is called 8000; did you mean --port 8000?\n"),
        ([":8000"], 3, "there is nothing to serve that is called :8000; did you mean -b :8000?\n"),
        (["localhost:8000"], 3, "there is nothing to serve that is called localhost:8000; did you mean -b localhost"),
        (["[::1]:80"], 3, "there is nothing to serve that is called [::1]:80; did you mean -b [::1]:80?\n"),
        ([".:listng=no"], 3, ".: Static has no option listng; did you mean listing? It has root, index"),
        ([".:root=x"], 3, ".: its root is the directory itself"),
        (["--directory", "nowhere"], 2, "--directory nowhere: there is no such directory (reactor --help shows all)"),
        (["hello", "-d", "."], 2, "TARGET is hello, and --directory says .: one of them (reactor --help shows all)"),
        (["hello", "--upload"], 2, "--upload goes with a directory to serve, as in: reactor DIR --upload"),
        (["--upload"], 2, "--upload goes with a directory to serve, as in: reactor DIR --upload"),
        (["static:root=nowhere"], 3, "static: Static refuses: 'nowhere' is no directory that can be read"),
        (["bad.py"], 3, "bad.py cannot be loaded: ZeroDivisionError: division by zero (bad.py, line 2)"),
        (["bad.py", "--log-level", "warning"], 3, "bad.py cannot be loaded: ZeroDivisionError"),
        (["start.py", "--port", "0"], 3, "start.py did not start: OSError: no database (start.py, line 4)"),
        (["start.py:leaver", "--port", "0"], 3, "start.py:leaver did not start: SystemExit: enough"),
        (["--mount", "/x=helo"], 3, "there is no handler and no directory helo; did you mean hello?\n"),
        (["hello", "-b", "udp://127.0.0.1:0"], 3, "cannot listen on udp://127.0.0.1:"),
        (["--host", ""], 2, "--host: a name or an address, or * for all, is wanted, not '' (reactor --help shows all)"),
        (["hello", "--interface", "cgi"], 2, "--interface: auto, handler, wsgi or asgi is wanted, not 'cgi'"),
        (["hello", "--threads", "-1"], 2, "--threads: a number is 0 or more, not '-1'"),
        (["hello", "--threads", "2"], 2, "--threads goes with a WSGI app, and none is served (reactor --help shows"),
        (["start.py", "--queue", "2"], 2, "--queue goes with a WSGI app, and none is served"),
        ([".", "--interface", "asgi"], 2, "--interface goes with a handler or an app of a file or a module, and"),
        (["hello", "--factory"], 2, "--factory goes with a handler or an app of a file or a module, and none is"),
        (["apps.py:plain", "--loop", "asyncio", "--port", "0"], 2, "--loop goes with an async handler or an ASGI"),
        (["apps.py:plain", "--loop", "trio"], 2, "--loop: auto, asyncio or uvloop is wanted, not 'trio'"),
        (["apps.py:fails", "--port", "0"], 3, "apps.py:fails did not start: there is no database\n"),
        (["apps.py:breaks", "--port", "0"], 3, "apps.py:breaks did not start: OSError: no database (apps.py, line"),
        (["apps.py:make()"], 3, "what apps.py:make makes cannot be loaded: OSError: no database (apps.py, line 11)\n"),
        (["apps.py:make", "--factory"], 3, "what apps.py:make makes cannot be loaded: OSError: no database (apps.py,"),
        (["start.py", "--factory"], 3, "start.py has none of create_app, make_app; say which, as in start.py:ATTR; it"),
        (["handlers", "all"], 2, "`reactor handlers` lists what can be served by name, and takes nothing more: leave"),
        (["-b", "unix:/no/such/folder/s"], 3, "cannot listen on unix:/no/such/folder/s: no such directory"),
    ],
)
def test_one_line_and_the_exit_code(arguments: list[str], code: int, line: str, tmp_path: Path) -> None:
    (tmp_path / "apps.py").write_text(APPS)
    (tmp_path / "bad.py").write_text("\n1 / 0\n")
    (tmp_path / "start.py").write_text(
        "class Start:\n    def __call__(self, request): ...\n    def startup(self, server):\n"
        "        raise OSError('no database')\n"
        "class Leaver(Start):\n    def startup(self, server): raise SystemExit('enough')\n"
        "handler, leaver = Start(), Leaver()\n"
    )
    ended = run(*arguments, cwd=tmp_path)
    assert ended.returncode == code
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"reactor: {line}")
    assert ended.stderr.count("\n") == 1


def test_what_takes_no_datagrams_is_named_as_its_user_did(tmp_path: Path) -> None:
    for arguments, name in (
        (["hello"], "hello"),
        (["--mount", "/h=health"], "the router of /h"),
        (["hello", "--mount", "/h=health"], "the router of /h, the rest"),
    ):
        ended = run(*arguments, "-b", "udp://127.0.0.1:0", cwd=tmp_path)
        where = r"udp://127\.0\.0\.1:\d+"
        assert re.fullmatch(rf"reactor: cannot listen on {where}: {name} takes no datagrams\n", ended.stderr)


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("\n1 / 0\n")
    ended = run("bad.py", "--log-level", "debug", cwd=tmp_path)
    assert ended.returncode == 3
    assert 'File "' in ended.stderr
    assert 'bad.py", line 2, in <module>' in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("reactor: bad.py cannot be loaded")


def test_an_address_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("--port", str(port), cwd=tmp_path)
        by_address = run("-b", f"127.0.0.1:{port}", cwd=tmp_path)
    assert ended.returncode == 3
    line = f"reactor: cannot listen on 127.0.0.1:{port}: address already in use"
    assert ended.stderr == f"{line}; --port 0 takes any that is free\n"
    assert by_address.stderr == f"{line}\n"


def test_a_variable_is_named_where_it_is_wrong_and_where_it_is_misspelt(tmp_path: Path) -> None:
    ended = run(cwd=tmp_path, env={"REACTOR_TIMEOUT_HEADER": "soon"})
    assert ended.returncode == 2
    assert ended.stderr.startswith("reactor: REACTOR_TIMEOUT_HEADER: a duration is written")
    ended = run("--version", cwd=tmp_path, env={"REACTOR_TIMEOUT_HEADR": "5s"})
    assert "REACTOR_TIMEOUT_HEADR is not known; did you mean REACTOR_TIMEOUT_HEADER?" in ended.stderr


def test_what_is_named_cannot_garble_the_terminal(tmp_path: Path) -> None:
    ended = run("no\x1b[2J\nsuch.py", cwd=tmp_path)
    assert ended.stderr == "reactor: there is no file no\\x1b[2J\\nsuch.py\n"


def test_the_environment_configures(tmp_path: Path) -> None:
    env = {"REACTOR_TARGET": "echo", "REACTOR_BIND": "127.0.0.1:0 [::1]:0", "REACTOR_SERVER_HEADER": "no"}
    with Program("--bind", "127.0.0.1:0", cwd=tmp_path, env=env) as program:
        assert program.banner[0].endswith("serves echo")
        assert len(program.addresses) == 1
        assert "Server:" not in curl(program.url)
        assert "Date:" in curl(program.url)


def test_a_crash_is_logged_and_is_1(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def run_no_more(self: Server, on_ready: object) -> None:
        self.close()
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli._Foreground, "run", run_no_more)
    monkeypatch.setattr(cli, "set_up_logging", lambda stream, level: None)
    assert cli.main(["--port", "0"]) == 1
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [("CRITICAL", "crashed")]
    assert caplog.records[0].exc_info is not None


def test_ctrl_c_before_it_serves_is_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "set_up_logging", lambda stream, level: None)
    monkeypatch.setattr(cli, "load_all", interrupt)
    assert cli.main([]) == 0
