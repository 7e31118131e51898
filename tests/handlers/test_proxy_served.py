"""The proxy as a program, in front of nginx and with curl: what nobody here wrote, and gigabytes in little memory."""

import hashlib
import http.client
import os
import resource
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from handlers.static import Static
from loadtest.scale import peak
from reactor import Request, Response, Server
from tests.conftest import need
from tests.program import DEADLINE, Program, run
from tests.wire import connect, read_response

from .upstreams import port_of, proxy_to

MIB = 1024 * 1024
SIZE = int(os.environ.get("REACTOR_PROXY_MIB", "64")) * MIB  # 1024 shows it in full
GROWTH = 6 * MIB  # bytes of memory, at most

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_max_body_size 0; default_type text/plain;
  client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
  uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
  server {{
    listen unix:{folder}/nginx.sock;
    location / {{ return 200 "hello $http_x_forwarded_for $host\\n"; }}
    location /moved {{ return 301 /elsewhere; }}
    location /empty {{ return 204; }}
    location /files/ {{ alias {folder}/files/; gzip on; gzip_min_length 1; gzip_types text/plain; }}
  }}
}}
"""


@pytest.fixture
def nginx(tmp_path: Path) -> Iterator[str]:
    """An upstream that nobody here wrote."""
    tool = need("nginx")
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "text.txt").write_text("a line\n" * 10_000)
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path))
    command = [tool, "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "log")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        for _ in range(500):
            if (tmp_path / "nginx.sock").exists():
                break
            threading.Event().wait(0.01)
        yield f"unix:{tmp_path}/nginx.sock"
    finally:
        process.terminate()
        process.wait(DEADLINE)


def curl(*arguments: str) -> str:
    command = [need("curl"), "-sS", "--max-time", "10", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE).stdout


def test_curl_through_the_proxy_to_nginx(nginx: str) -> None:
    with proxy_to(nginx) as server:
        url = server.url
        assert curl(f"{url}/", "-H", "Host: shop") == "hello 127.0.0.1 shop\n"
        assert curl(f"{url}/moved", "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", "-H", "Host: a") == (
            "301 http://a/elsewhere"
        )
        assert curl(f"{url}/empty", "-w", "%{http_code}") == "204"
        assert curl(f"{url}/files/text.txt") == "a line\n" * 10_000
        assert curl(f"{url}/files/text.txt", "--compressed") == "a line\n" * 10_000
        assert curl(f"{url}/files/text.txt", "-r", "2-5") == "line"
        assert "Content-Length: 70000" in curl("-I", f"{url}/files/text.txt")
        assert curl("-0", f"{url}/files/text.txt", "--compressed") == "a line\n" * 10_000
        tag = next(line for line in curl("-I", f"{url}/files/text.txt").splitlines() if line.startswith("ETag"))
        match = f"If-None-Match: {tag.partition(': ')[2]}"
        assert curl(f"{url}/files/text.txt", "-H", match, "-w", "%{http_code}") == "304"
        assert len(server.service.outward) == 1


def test_many_requests_of_one_client_share_a_connection_to_nginx(nginx: str) -> None:
    with proxy_to(nginx) as server, connect(port_of(server)) as client:
        for _ in range(100):
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert read_response(client).status == 200
        assert len(server.service.outward) == 1
        assert next(iter(server.service.outward)).answers == 100  # type: ignore[attr-defined]  # a ClientConnection


def test_a_failure_to_find_an_upstream_is_told_at_the_start(tmp_path: Path) -> None:
    done = run("proxy:to=http://no-such-host.invalid:9000", "--port", "0", cwd=tmp_path)
    assert done.returncode == 3
    assert "no-such-host.invalid" in done.stderr
    assert "cannot resolve the name" in done.stderr
    assert "Traceback" not in done.stderr


class Digest:
    """A sink that counts, and knows what it took by its digest."""

    limit = 0

    def __init__(self) -> None:
        self.digest = hashlib.sha1(usedforsecurity=False)
        self.count = 0

    def feed(self, data: bytes) -> None:
        self.count += len(data)
        self.digest.update(data)

    def finish(self) -> Response:
        return Response(200, f"{self.count} {self.digest.hexdigest()}")

    def abort(self) -> None: ...


class Sums:
    """Says what it was sent."""

    def on_head(self, request: Request) -> Digest:
        return Digest()

    def __call__(self, request: Request) -> Response:
        return Response(404)


@contextmanager
def program_to(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """The proxy as a process of its own, warm, and measured without the coverage that would grow."""
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    with Program(f"proxy:to={url}", "--no-access-log", cwd=folder) as program:
        yield program


def client_of(program: Program) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", int(program.url.rpartition(":")[2]), timeout=DEADLINE)


def test_a_download_of_any_size_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for name, size in (("large", SIZE), ("small", 2 * MIB)):
        with (site / name).open("wb") as file:
            file.truncate(size)
    upstream = Server(Static(site), bind="127.0.0.1:0")
    with upstream, program_to(upstream.url, tmp_path, monkeypatch) as program:
        assert download(program, "/small") == 2 * MIB
        before = peak(program.process.pid)
        assert download(program, "/large") == SIZE
        assert peak(program.process.pid) - before < GROWTH


def download(program: Program, path: str) -> int:
    space = bytearray(MIB)
    with closing(client_of(program)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200
        total = 0
        while count := answer.readinto(space):
            total += count
        return total


@pytest.mark.parametrize("is_chunked", [False, True], ids=["of a length", "in chunks"])
def test_an_upload_of_any_size_takes_no_memory(
    is_chunked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(Sums(), bind="127.0.0.1:0") as upstream, program_to(upstream.url, tmp_path, monkeypatch) as program:
        upload(program, 2, is_chunked)
        before = peak(program.process.pid)
        upload(program, SIZE // MIB, is_chunked)
        assert peak(program.process.pid) - before < GROWTH


def upload(program: Program, count: int, is_chunked: bool) -> None:
    piece = bytes(range(256)) * 4096
    expected = hashlib.sha1(usedforsecurity=False)
    for _ in range(count):
        expected.update(piece)
    headers = {} if is_chunked else {"Content-Length": str(count * MIB)}
    with closing(client_of(program)) as connection:
        connection.request("PUT", "/", (piece for _ in range(count)), headers, encode_chunked=is_chunked)
        answer = connection.getresponse()
        assert answer.read().decode() == f"{count * MIB} {expected.hexdigest()}"


def test_without_descriptors_it_says_so_and_goes_on_when_there_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(Sums(), bind="127.0.0.1:0") as upstream, program_to(upstream.url, tmp_path, monkeypatch) as program:
        pid = program.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        client = min(set(range(1024)) - used)  # the number that the next connection is given
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (client + 1, before[1]))
        for expected in (503, 503, 200):
            if expected == 200:
                resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            with closing(client_of(program)) as connection:
                connection.request("GET", "/")
                answer = connection.getresponse()
                answer.read()
                assert answer.status == expected
        program.await_said("no connection can be opened: Too many open files")
