"""Who takes part: each server with its interface, its best configuration, and what it cannot do. A row is one entry.

What is the same for all: one worker, one process where that can be had, no access log, keep-alive, a backlog of 4,096
where it can be said, bodies of 1 MiB allowed, idle connections kept for a minute and more. In a command `{python}` and
`{bin}` are those of the venv with the peers, `{own}` the Python that runs this, `{folder}` a temporary folder, and
`{tree}` is the one of whose files a peer of the interface "files" serves.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadtest.arena.apps import content
from loadtest.arena.files import FILE_ROUTES, FOLDER
from loadtest.arena.workloads import HELLO_ONLY, ROUTES, STATIC
from loadtest.servers import ROOT
from reactor import __version__
from tests.corpus.peers import VENV, install

REACTOR, FLOOR, NGINX = "reactor", "floor", "nginx"
FILES, PROXY = "files", "proxy"
INTERFACES = ("native", "wsgi", "asgi", FILES, PROXY)
APART = (FILES, PROXY)  # measured by themselves, on work of their own

NATIVE = "{python} -m loadtest.arena.apps.native_"
WSGI = "loadtest.arena.apps.wsgi:app"
BARE_WSGI = "{python} -m loadtest.arena.apps.serve_wsgi "
SERVE_PROXY = "{python} -m loadtest.arena.apps.serve_proxy "
SERVE_FILES = "{python} -m loadtest.arena.apps.serve_files "
ASGI = "loadtest.arena.apps.asgi:app"

UVICORN = (
    "{python} -m uvicorn " + ASGI + " --host 127.0.0.1 --port {port} --backlog 4096 --timeout-keep-alive 75 "
    "--no-access-log --log-level error"
)
GRANIAN = (
    "{python} -m granian --host 127.0.0.1 --port {port} --http 1 --no-ws --workers 1 --runtime-threads 1 "
    "--blocking-threads 1 --runtime-mode st --loop uvloop --backlog 4096 --backpressure 4096 --log-level error "
)
GUNICORN = (
    "{python} -m gunicorn --bind 127.0.0.1:{port} --workers 1 --backlog 4096 --keep-alive 75 --log-level error "
    "--no-control-socket --worker-connections 10000 " + WSGI
)
RUN = "{own} -m reactor %s --port {port} --no-access-log --backlog 4096 --log-level error "
NGINX_COMMAND = "nginx -c {folder}/nginx.conf -e stderr -p "  # it serves what is in the folder named behind it


@dataclass(frozen=True)
class Peer:
    """`command`: how it is started; `packages`: the distributions in the venv whose versions are told, its own first;
    `routes`: what it can serve; `parses` is false where bytes are not looked at; `closes`: it keeps no connection, by
    design."""

    name: str
    interface: str
    command: str
    packages: tuple[str, ...] = ()
    routes: frozenset[str] = ROUTES
    parses: bool = True
    closes: bool = False
    environment: dict[str, str] = field(default_factory=dict)


ALL = (
    Peer(REACTOR, "native", RUN % "loadtest/arena/apps/native_reactor.py"),
    Peer(FLOOR, "native", "{own} -m loadtest.floor --port {port}", routes=HELLO_ONLY, parses=False),
    Peer(NGINX, "native", NGINX_COMMAND + "{folder}", routes=STATIC),
    Peer("aiohttp", "native", NATIVE + "aiohttp {port}", ("aiohttp", "uvloop")),
    Peer("tornado", "native", NATIVE + "tornado {port}", ("tornado", "uvloop")),
    Peer("socketify", "native", NATIVE + "socketify {port}", ("socketify",)),
    Peer("robyn", "native", NATIVE + "robyn {port} --processes 1 --workers 1 --disable-openapi --log-level ERROR",
         ("robyn", "uvloop"), environment={"ROBYN_MAX_PAYLOAD_SIZE": "16777216", "ROBYN_KEEP_ALIVE_TIMEOUT": "75"}),
    Peer("granian-rsgi", "native", GRANIAN + "--interface rsgi loadtest.arena.apps.rsgi:app", ("granian", "uvloop")),
    Peer("reactor-wsgi", "wsgi", RUN % WSGI + "--threads 0"),
    Peer("reactor-threads", "wsgi", RUN % WSGI + "--threads 4"),
    Peer("bjoern", "wsgi", BARE_WSGI + "bjoern {port}", ("bjoern",)),
    Peer("fastpysgi", "wsgi", BARE_WSGI + "fastpysgi {port}", ("fastpysgi",)),
    Peer("granian-wsgi", "wsgi", GRANIAN + "--interface wsgi " + WSGI, ("granian",)),
    Peer("uwsgi", "wsgi", "{bin}/uwsgi --http 127.0.0.1:{port} --http-keepalive --http-auto-chunked --processes 1 "
         "--master --listen 4096 --disable-logging --need-app --pythonpath {root} --module " + WSGI, ("uWSGI",)),
    Peer("gunicorn-sync", "wsgi", GUNICORN, ("gunicorn",), closes=True),
    Peer("gunicorn-gthread", "wsgi", GUNICORN + " --worker-class gthread --threads 4", ("gunicorn",)),
    Peer("gunicorn-gevent", "wsgi", GUNICORN + " --worker-class gevent", ("gunicorn", "gevent")),
    Peer("waitress", "wsgi", "{python} -m waitress --listen 127.0.0.1:{port} --threads 4 --backlog 4096 "
         "--connection-limit 10000 --asyncore-use-poll " + WSGI, ("waitress",)),
    Peer("cheroot", "wsgi", BARE_WSGI + "cheroot {port}", ("cheroot",)),
    Peer("gevent", "wsgi", BARE_WSGI + "gevent {port}", ("gevent",)),
    Peer("reactor-asgi", "asgi", RUN % ASGI),
    Peer("reactor-uvloop", "asgi", RUN.replace("{own}", "{python}") % ASGI + "--loop uvloop", ("uvloop",)),
    Peer("uvicorn", "asgi", UVICORN + " --loop uvloop --http httptools", ("uvicorn", "uvloop", "httptools")),
    Peer("uvicorn-h11", "asgi", UVICORN + " --loop asyncio --http h11", ("uvicorn", "h11")),
    Peer("hypercorn", "asgi", "{python} -m hypercorn -b 127.0.0.1:{port} -k uvloop --backlog 4096 --keep-alive 75 "
         "--log-level error " + ASGI, ("hypercorn", "h11", "uvloop")),
    Peer("granian-asgi", "asgi", GRANIAN + "--interface asgi " + ASGI, ("granian", "uvloop")),
    Peer("daphne", "asgi", "{python} -m daphne -e tcp:port={port}:interface=127.0.0.1:backlog=4096 -v 0 " + ASGI,
         ("daphne", "twisted")),
)  # fmt: skip

PEERS = {peer.name: peer for peer in ALL}

# Measured by themselves, so that some of them have a name that is among the others, too.
ALL_OF_FILES = (
    Peer(REACTOR, FILES, RUN % "{tree}", routes=FILE_ROUTES),
    Peer(NGINX, FILES, NGINX_COMMAND + "{tree}", routes=FILE_ROUTES),
    Peer("nginx-uncached", FILES, NGINX_COMMAND + "{tree}", routes=FILE_ROUTES),
    Peer("granian", FILES, GRANIAN + f"--interface rsgi loadtest.arena.apps.rsgi:app --static-path-route /{FOLDER} "
         f"--static-path-mount {{tree}}/{FOLDER}", ("granian", "uvloop"), FILE_ROUTES),
    Peer("starlette", FILES, SERVE_FILES + "starlette {port} {tree}", ("starlette", "uvicorn", "uvloop", "httptools"),
         FILE_ROUTES),
    Peer("aiohttp", FILES, SERVE_FILES + "aiohttp {port} {tree}", ("aiohttp", "uvloop"), FILE_ROUTES),
    Peer("tornado", FILES, SERVE_FILES + "tornado {port} {tree}", ("tornado", "uvloop"), FILE_ROUTES),
    Peer("sanic", FILES, SERVE_FILES + "sanic {port} {tree}", ("sanic", "uvloop"), FILE_ROUTES),
    Peer("twisted", FILES, SERVE_FILES + "twisted {port} {tree}", ("twisted",), FILE_ROUTES),
    Peer("http.server", FILES, "{own} -m loadtest.arena.apps.serve_files http_server {port} {tree}",
         routes=FILE_ROUTES),
)  # fmt: skip

FILE_PEERS = {peer.name: peer for peer in ALL_OF_FILES}

# In front of the native app, which has a process of its own.
ALL_PROXIES = (
    Peer(REACTOR, PROXY, RUN % "proxy:to=http://127.0.0.1:{upstream}"),
    Peer(NGINX, PROXY, NGINX_COMMAND + "{folder}"),
    Peer("aiohttp", PROXY, SERVE_PROXY + "aiohttp {port} {upstream}", ("aiohttp", "uvloop")),
    Peer("starlette", PROXY, SERVE_PROXY + "starlette {port} {upstream}",
         ("starlette", "httpx", "uvicorn", "uvloop", "httptools")),
    Peer("tornado", PROXY, SERVE_PROXY + "tornado {port} {upstream}", ("tornado", "uvloop")),
    Peer("twisted", PROXY, SERVE_PROXY + "twisted {port} {upstream}", ("twisted",), closes=True),
)  # fmt: skip

PROXIES = {peer.name: peer for peer in ALL_PROXIES}


def serving(peer: Peer, tree: Path, upstream: int) -> Peer:
    """The same, of the files in a tree, or in front of who listens at a port."""
    told = peer.command.replace("{tree}", str(tree)).replace("{upstream}", str(upstream))
    return replace(peer, command=told, environment={**peer.environment, UPSTREAM: str(upstream)})


def command(peer: Peer, port: int, folder: Path) -> list[str]:
    """What starts it, word by word."""
    places = {
        "own": sys.executable, "python": str(VENV / "bin" / "python"), "bin": str(VENV / "bin"), "root": str(ROOT),
        "port": str(port), "folder": str(folder),
    }  # fmt: skip
    return [re.sub(r"\{(\w+)\}", lambda found: places[found[1]], word) for word in peer.command.split()]


def presence(peers: Sequence[Peer]) -> tuple[dict[str, str], dict[str, str]]:
    """Install what is missing; the versions of who is here, and why the others are not, both by name."""
    packages = sorted({package for peer in peers for package in peer.packages})
    reasons = install() if packages else {}
    installed = _installed(packages)
    versions, absent = {}, {}
    for peer in peers:
        missing = [package for package in peer.packages if package not in installed]
        if missing:
            said = [reasons[package] for package in missing if package in reasons]
            absent[peer.name] = said[0] if said else f"no {missing[0]} in {VENV.name}"
        elif is_nginx(peer) and shutil.which(NGINX) is None:
            absent[peer.name] = "not installed: apt install nginx-light (Debian, Ubuntu)"
        else:
            versions[peer.name] = _version(peer, installed)
    return versions, absent


def _version(peer: Peer, installed: dict[str, str]) -> str:
    if peer.packages:
        own, *others = peer.packages
        if peer.name.startswith(REACTOR):
            return f"{__version__} + {own} {installed[own]}"
        return " + ".join([installed[own], *(f"{other} {installed[other]}" for other in others)])
    if is_nginx(peer):
        said = subprocess.run([NGINX, "-v"], capture_output=True, text=True).stderr
        return said.strip().rpartition("/")[2]
    return platform.python_version() if peer.name == "http.server" else __version__


def _installed(packages: Sequence[str]) -> dict[str, str]:
    """The versions in the venv of those that are there, by distribution."""
    if not packages:
        return {}
    code = (
        "import importlib.metadata as m, json, sys\n"
        "here = {d.name.lower(): d.version for d in m.distributions()}\n"
        "print(json.dumps({p: here[p.lower()] for p in sys.argv[1:] if p.lower() in here}))"
    )
    python = str(VENV / "bin" / "python")
    done = subprocess.run([python, "-c", code, *packages], capture_output=True, text=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def is_nginx(peer: Peer) -> bool:
    return peer.command.startswith(NGINX_COMMAND)


def prepare(peer: Peer, port: int, folder: Path) -> dict[str, str]:
    """Write what it reads when it starts; returns its environment."""
    if is_nginx(peer):
        cache = "off" if peer.name == "nginx-uncached" else "max=1000 inactive=20s"
        hello = 'location = /test { default_type text/plain; return 200 "Hello"; }'
        proxied = f"location / {{ proxy_pass http://upstream; {PASS} }}"
        words = {
            "PORT": str(port), "FOLDER": str(folder), "CACHE": cache,
            "LOCATION": proxied if peer.interface == PROXY else hello,
            "UPSTREAM": peer.environment.get(UPSTREAM, str(port)),
        }  # fmt: skip
        text = re.sub("|".join(words), lambda found: words[found[0]], NGINX_CONF)
        Path(folder, "nginx.conf").write_text(text)
    if peer.name == NGINX and peer.interface == "native":
        Path(folder, "64k").write_bytes(content.BLOCK)
        with Path(folder, "100m").open("wb") as file:
            file.truncate(content.HUGE_SIZE)
    return {**os.environ, **peer.environment}


UPSTREAM = "ARENA_UPSTREAM"  # in the environment: the port of the server behind a proxy

# What it does by itself in front of others, and, unlike it, in HTTP/1.1 and on connections that are kept.
PASS = 'proxy_http_version 1.1; proxy_set_header Connection ""; client_max_body_size 0; proxy_request_buffering off;'
NGINX_CONF = """
daemon off;
master_process off;
error_log stderr error;
pid FOLDER/pid;
events { worker_connections 10000; }
http {
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 75s;
  keepalive_requests 1000000000;
  open_file_cache CACHE;
  open_file_cache_valid 1s;
  client_body_temp_path FOLDER; proxy_temp_path FOLDER; fastcgi_temp_path FOLDER;
  uwsgi_temp_path FOLDER; scgi_temp_path FOLDER;
  upstream upstream { server 127.0.0.1:UPSTREAM; keepalive 1000; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:PORT backlog=4096;
    root .;
    LOCATION
  }
}
"""
