"""The arena: wrk is read rightly, ratios are those of a round, the registry is whole; and a small real run."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest

from loadtest.arena import files, idle, peers, report, workloads
from loadtest.arena.__main__ import main
from loadtest.arena.apps import content
from loadtest.arena.chart import chart
from loadtest.arena.contender import Contender
from loadtest.arena.files import FILE_WORKLOADS
from loadtest.arena.idle import Idle
from loadtest.arena.peers import FILE_PEERS, FILES, FLOOR, INTERFACES, NGINX, PEERS, PROXIES, PROXY, REACTOR
from loadtest.arena.report import Report
from loadtest.arena.turns import NOT_ITS_WORK, Result, Row
from loadtest.arena.visit import Failed, Visit, read, spent, tree, visit
from loadtest.arena.workloads import BODIES, ROUTES, WORKLOADS, Cannot, Wrong, check
from loadtest.servers import ROOT, running

from .conftest import absent, need
from .program import environment

SAID = """Running 1s test @ http://127.0.0.1:8001/test
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     7.29ms    7.78ms  42.92ms    6.42%
    Req/Sec    48.81k     6.88k   57.27k    70.00%
  Latency Distribution
     50%  812.00us
     75%    2.00ms
     90%    3.10ms
     99%    1.25s
  50000 requests in 2.00s, 5.00MB read
  Socket errors: connect 1, read 2, write 0, timeout 3
  Non-2xx or 3xx responses: 4
Requests/sec:  25000.00
Transfer/sec:      2.50MB
"""


# --- what wrk says


def test_a_report_is_read() -> None:
    found = read(SAID, size=0, cpu=1.5, memory=7)
    assert (found.rate, found.cpu, found.p50, found.p99) == pytest.approx((25000, 30, 812, 1.25e6))
    assert (found.errors, found.what) == (10, "connect 1, read 2, timeout 3, status 4")


def test_without_its_lines_there_were_no_errors() -> None:
    lines = [line for line in SAID.splitlines() if "Socket" not in line and "Non-2xx" not in line]
    found = read("\n".join(lines), size=0, cpu=1.5, memory=7)
    assert (found.errors, found.what) == (0, "")


def test_large_answers_are_counted_by_their_bytes() -> None:
    found = read(SAID.replace("50000 requests", "0 requests"), size=1 << 20, cpu=1.0, memory=7)
    assert (found.rate, found.cpu) == pytest.approx((2.5, 200_000))


def test_no_answer_is_no_result() -> None:
    with pytest.raises(Failed, match="silent: nothing was answered, connect 1, read 2"):
        read(SAID.replace("50000 requests", "0 requests"), size=0, cpu=1.0, memory=7)
    with pytest.raises(Failed, match="wrk's report has no"):
        read("unable to connect", size=0, cpu=1.0, memory=7)


def test_a_latency_wrk_does_not_know_is_none() -> None:
    assert read(SAID.replace("812.00us", "-nan"), size=0, cpu=1.0, memory=7).p50 == 0
    assert report.milliseconds(0) == report.NONE


def test_a_process_that_came_between_two_looks_counts_from_its_start() -> None:
    assert spent({1: 5.0, 2: 3.0}, {1: 6.0, 3: 0.5}) == 1.5


def test_a_tree_has_the_children_in_it() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert {os.getpid(), child.pid} <= set(tree(os.getpid()))
    finally:
        child.communicate(b"\n")


# --- ratios, tables, the chart


def seen(rate: float, errors: int = 0) -> Visit:
    return Visit(rate, 1e6 / rate, 500.0, 9000.0, 10 << 20, errors, "read 3" if errors else "")


def found() -> Report:
    rows = {
        REACTOR: Row([seen(100), seen(300), seen(200)]),
        FLOOR: Row([seen(200), seen(400), seen(400)]),
        "bjoern": Row([seen(50, errors=3), None, seen(50)], "died: SIGSEGV"),
        "daphne": Row([None, None, None], "wrong: answers 500"),
        NGINX: Row([], NOT_ITS_WORK),
    }
    results = [Result(WORKLOADS[name], rows, {"bjoern": 0.25}) for name in ("hello", "json")]
    versions = {name: f"1.{number}" for number, name in enumerate(rows)}
    kept = [Idle(REACTOR, 10, 20 << 20, 2000.0, 10), Idle("bjoern", 10, 30 << 20, 4000.0, 10)]
    absent = {"uwsgi": "not installed: <no> compiler"}
    lost = [Idle(FLOOR, 10, 9 << 20, 20.0, 1), Idle("daphne", 10, state="died")]
    interfaces = {name: PEERS[name].interface for name in [*versions, *absent]}
    return Report({"CPU": "<any>"}, "How.", versions, absent, results, [*kept, *lost], interfaces)


def test_a_ratio_is_one_of_the_same_round() -> None:
    result = found().results[0]
    assert result.ratio(REACTOR, FLOOR) == 0.5  # of 0.5, 0.75 and 0.5
    assert result.ratio(REACTOR, "bjoern") == 3.0  # of 2 and 4: the second round had only one of them
    assert result.ratio(REACTOR, "daphne") is None
    assert result.ratio(REACTOR, "nobody") is None


def test_nobody_is_left_out_of_the_tables() -> None:
    every = found()
    rows = {row[0]: row for row in report.overview(every)}
    assert set(rows) == {"server", *every.versions, *every.absent}
    assert rows[REACTOR][1:3] == ("native", "200/s")
    assert rows["bjoern"][2:] == ("3.00 × !", "3.00 × !")
    assert rows["daphne"][2] == "wrong"
    assert rows[NGINX][2] == report.NONE
    assert rows["uwsgi"][2] == "absent"
    details = {row[0]: row for row in report.details(every.results[0], every.versions, REACTOR)}
    assert list(details)[1:3] == [FLOOR, REACTOR]  # the fastest first
    assert details["bjoern"][-1] == "3 (read 3); died: SIGSEGV"
    assert details[REACTOR][3:5] == ("1.00 ×", "0.50")


def test_markdown_and_json_have_all_of_it() -> None:
    every = found()
    text = report.markdown(every)
    for expected in (
        "- uwsgi is absent: not installed: <no> compiler", "- daphne, json: wrong: answers 500",
        "- bjoern took up to 25% of a core", "| bjoern | 1.2 | 4,000 | 0.50 × | 30.0 | 10 of 10 |",
        "| floor | 1.1 | – | – | – | 1 of 10 |", "| daphne | 1.3 | – | – | – | died |",
    ):  # fmt: skip
        assert expected in text
    data = json.loads(report.as_json(every))
    assert data["workloads"]["hello"]["servers"]["bjoern"]["rounds"][1] is None
    assert data["workloads"]["hello"]["servers"][FLOOR]["reactor_is"] == 0.5


def test_the_chart_is_well_formed_and_names_everybody() -> None:
    root = ElementTree.fromstring(chart(found()))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {REACTOR, FLOOR, "bjoern", "wrong", "0.38 !", "uwsgi is absent: not installed: <no> compiler"} <= set(texts)
    assert NGINX not in texts  # it is not its work


# --- the registry


def test_every_peer_has_its_app_and_can_be_started(tmp_path: Path) -> None:
    assert (len(PEERS), len(FILE_PEERS)) == (len(peers.ALL), len(peers.ALL_OF_FILES))
    assert {peer.interface for peer in FILE_PEERS.values()} == {FILES}
    assert {peer.interface for peer in PROXIES.values()} == {PROXY}
    assert not {FILES, PROXY} & {peer.interface for peer in PEERS.values()}
    assert len(WORKLOADS) == len({workload.what + str(workload.connections) for workload in WORKLOADS.values()})
    for peer in [*PEERS.values(), *FILE_PEERS.values(), *PROXIES.values()]:
        assert peer.interface in INTERFACES
        words = peers.command(peers.serving(peer, tmp_path, 8002), 8001, tmp_path)
        assert not [word for word in words if "{" in word]
        assert any("8001" in word for word in words) or peers.is_nginx(peer)
        modules = [word.partition(":")[0] for word in words if word.startswith("loadtest.arena.apps.")]
        assert all(find_spec(module) for module in modules)
        assert modules or peer.name.startswith(REACTOR) or peer.name == FLOOR or peers.is_nginx(peer)


def test_every_workload_has_its_check_and_its_script() -> None:
    assert {workload.path for workload in WORKLOADS.values()} == ROUTES
    for workload in WORKLOADS.values():
        assert workload.size or workload.path in BODIES
        command = workload.command(8001, 2)
        assert "-s" not in command or Path(command[command.index("-s") + 1]).is_file()


def test_the_packages_of_a_peer_are_in_the_group() -> None:
    group = (ROOT / "pyproject.toml").read_text().partition("\npeers = [")[2].partition("\n]")[0].lower()
    for peer in [*PEERS.values(), *FILE_PEERS.values(), *PROXIES.values()]:
        assert not peer.packages or f'"{peer.packages[0].lower()}' in group


def test_the_record_is_about_1_kib() -> None:
    assert 1000 <= len(content.record()) <= 1100


# --- files


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (7, 9), (0, 3 << 20), (files.MIB - 1, files.MIB + 1)])
def test_a_part_of_a_file_is_a_part_of_the_whole(start: int, stop: int) -> None:
    whole = b"".join(files.pieces(0, 6 << 20))
    assert b"".join(files.pieces(start, stop)) == whole[start:stop]


def test_only_the_files_that_are_asked_for_are_made() -> None:
    with files.tree([FILE_WORKLOADS["file-1k"], FILE_WORKLOADS["file-304"], WORKLOADS["hello"]]) as root:
        assert [path.stat().st_size for path in (root / files.FOLDER).iterdir()] == [1024]
    assert not root.exists()


def test_what_a_server_of_files_does_is_seen() -> None:
    two_cores()
    with files.tree([FILE_WORKLOADS["file-64k"], FILE_WORKLOADS["file-10m"], FILE_WORKLOADS["file-1k"]]) as root:
        contender = Contender(peers.serving(FILE_PEERS["http.server"], root, 0))
        contender.start()
        try:
            for name in ("file-1k", "file-64k", "file-10m", "file-304"):
                check(FILE_WORKLOADS[name], contender.port, closes=False)
            with pytest.raises(Cannot, match="ignores Range"):
                check(FILE_WORKLOADS["file-range"], contender.port, closes=False)
            assert "-H" in (words := FILE_WORKLOADS["file-304"].command(contender.port, 1))
            assert words[words.index("-H") + 1].startswith("If-Modified-Since: ")
            (root / files.FOLDER / "64k").write_bytes(bytes(64 * 1024))
            with pytest.raises(Wrong, match="answers 200 with 65,536 bytes, and they are not those of the file"):
                check(FILE_WORKLOADS["file-64k"], contender.port, closes=False)
        finally:
            contender.stop()
    with pytest.raises(Failed, match="wrong: ConnectionRefusedError"):
        visit(FILE_WORKLOADS["file-304"], os.getpid(), contender.port, 1)


def test_a_server_without_dates_and_tags_cannot_be_asked_for_changes() -> None:
    with running("loadtest.floor") as (_, port):
        with pytest.raises(Cannot, match="gives neither ETag nor Last-Modified"):
            check(FILE_WORKLOADS["file-304"], port, closes=False)


@pytest.mark.parametrize("name", [name for name in FILE_WORKLOADS if name != "file-1g"])
def test_reactor_serves_all_the_files(name: str) -> None:
    workload = FILE_WORKLOADS[name]
    with files.tree([workload]) as root, running("reactor", str(root), "--no-access-log") as (_, port):
        check(workload, port, closes=False)


def test_a_small_run_with_files(tmp_path: Path) -> None:
    need("wrk")
    two_cores()
    written = tmp_path / "found.json"
    done = subprocess.run(
        [
            sys.executable, "-m", "loadtest.arena", "--interface", FILES, "--peer", "http.server", "--rounds", "1",
            "--seconds", "1", "--workload", "file-64k", "file-range", "--json", written,
        ],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(written.read_text())["workloads"]
    assert found["file-64k"]["servers"]["http.server"]["reactor_is"] > 1
    assert found["file-range"]["servers"]["http.server"]["state"] == NOT_ITS_WORK


# --- real servers


@pytest.mark.parametrize("name", [name for name in WORKLOADS if WORKLOADS[name].connections <= 64])
def test_reactor_does_all_that_is_asked(name: str) -> None:
    with running("reactor", "loadtest/arena/apps/native_reactor.py", "--no-access-log") as (_, port):
        check(WORKLOADS[name], port, WORKLOADS[name].closes)


def test_a_server_that_does_something_else_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workloads, "PATIENCE", 0.5)
    with running("loadtest.floor") as (_, port):
        with pytest.raises(Wrong, match="answers 1 of 16 requests sent at once"):
            check(WORKLOADS["pipelined"], port, closes=False)
        check(WORKLOADS["hello"], port, closes=False)
        with pytest.raises(Wrong, match="answers 200 with 5 bytes: b'Hello'"):
            check(WORKLOADS["json"], port, closes=False)
        with pytest.raises(Wrong, match="answers 200 with 5 bytes, Content-Length 5"):
            check(WORKLOADS["100m"], port, closes=False)
    with pytest.raises(Wrong, match="ConnectionRefusedError"):
        check(WORKLOADS["hello"], port, closes=False)


def test_a_server_that_dies_says_how() -> None:
    two_cores()
    contender = Contender(PEERS[FLOOR])
    contender.start()
    try:
        assert contender.end() == ""
        os.kill(contender.pid, 9)
        while contender.is_running():
            pass
        assert contender.end() == "died: SIGKILL"
    finally:
        contender.stop()


def test_a_small_run(tmp_path: Path) -> None:
    need("wrk")
    two_cores()
    files = [tmp_path / name for name in ("found.json", "found.md", "found.svg")]
    done = subprocess.run(
        [
            sys.executable, "-m", "loadtest.arena", "--peer", FLOOR, "--workload", "hello", "json", "--rounds", "1",
            "--seconds", "1", "--json", files[0], "--markdown", files[1], "--svg", files[2],
        ],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nfloor " in done.stdout
    servers = json.loads(files[0].read_text())["workloads"]["hello"]["servers"]
    assert servers[REACTOR]["rounds"][0]["rate"] > 1000
    assert servers[REACTOR]["rounds"][0]["errors"] == 0
    assert 0 < servers[FLOOR]["reactor_is"] < 1
    assert "| floor | native |" in files[1].read_text()
    ElementTree.fromstring(files[2].read_text())


def test_idle_connections_in_small() -> None:
    two_cores()
    (measured,) = idle.measure([PEERS[REACTOR]], 100)
    assert (measured.state, measured.kept) == ("", 100)
    assert measured.each < 64 * 1024


def two_cores() -> None:
    if not {0, 1} <= os.sched_getaffinity(0):
        absent("this machine has no two cores to pin to")


# --- the command line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--peer", "apache"], "no peer is called apache; there are reactor, floor,"),
        (["--workload", "hello", "bye"], "no workload is called bye; there are hello, "),
        (["--interface", "cgi"], "no interface is called cgi; there are native, wsgi, asgi, files"),
        (["--workload", "file-1k"], "no workload is called file-1k; there are hello, "),
        (["--interface", "files", "--workload", "hello"], "no workload is called hello; there are file-1k, "),
        (["--interface", "files", "asgi"], "nothing else goes with --interface files"),
        (["--interface", "native", "proxy"], "nothing else goes with --interface proxy"),
        (["--base", "apache"], "no base is called apache; there are reactor, floor,"),
        (["--interface", "files", "--idle"], "nothing else goes with --interface files"),
        (["--rounds", "0"], "must be 1 at least"),
        (["--idle", "--svg", "x.svg"], "--svg draws workloads"),
    ],
)
def test_what_is_unknown_is_said(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["arena", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


def test_without_wrk_it_says_where_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", ["arena", "--peer", REACTOR])
    assert main() == 2
    assert "apt install wrk" in capsys.readouterr().err
