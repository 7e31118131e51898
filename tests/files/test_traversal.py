"""Out of the folder: every spelling of the way up that somebody has tried, and links that lead outside.

Law: whatever is asked, the secret beside the folder stays there, the answer is well-formed, and the server goes on.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.static import Static
from reactor import Server

from ..wire import connect, read_response

SECRET = b"root:x:0:0: this is beside the folder\n"
WELCOME = b"this is in the folder\n"
NAMES = ("secret.txt", "etc/passwd", "site-private/secret.txt")  # beside the folder
REFUSED = {400, 403, 404, 405, 414, 431, 501}

UP = (
    "/../secret.txt", "/../../secret.txt", "/../../../../../../../../etc/passwd", "/sub/../../secret.txt",
    "/sub/../sub/../../secret.txt", "/./../secret.txt", "/.././secret.txt", "/sub/../..//secret.txt", "/..",
    "/../", "/sub/..", "/sub/../..", "/sub/../../", "/..//secret.txt", "/.../secret.txt", "/..../secret.txt",
    "/.../.../secret.txt", "/../site-private/secret.txt", "/-private/secret.txt", "/..-private/secret.txt",
)  # fmt: skip
ENCODED = (
    "/%2e%2e/secret.txt", "/%2E%2E/secret.txt", "/%2e%2E/secret.txt", "/.%2e/secret.txt", "/%2e./secret.txt",
    "/%2e%2e%2fsecret.txt", "/..%2fsecret.txt", "/..%2Fsecret.txt", "/%2e%2e%2Fsecret.txt",
    "/sub%2f..%2f..%2fsecret.txt", "/sub/%2e%2e/%2e%2e/secret.txt", "/%2e%2e/%2e%2e/etc/passwd",
    "/%2e/%2e%2e/secret.txt", "/%2e%2e", "/%2e%2e/", "/%2f..%2fsecret.txt", "/%2fetc%2fpasswd", "/%2Fetc/passwd",
    "/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
)  # fmt: skip
TWICE = (
    "/%252e%252e/secret.txt", "/%252e%252e%252fsecret.txt", "/..%252fsecret.txt", "/%25%32%65%25%32%65/secret.txt",
    "/%25252e%25252e/secret.txt", "/%%32%65%%32%65/secret.txt", "/%2%65%2%65/secret.txt", "/..%25%32%66secret.txt",
)  # fmt: skip
BACKSLASHES = (
    "/..\\secret.txt", "/..%5csecret.txt", "/..%5Csecret.txt", "/%2e%2e%5csecret.txt", "/..\\/secret.txt",
    "/sub\\..\\..\\secret.txt", "/..%255csecret.txt", "\\..\\secret.txt", "/\\../secret.txt", "/%5c%2e%2e%5csecret.txt",
)  # fmt: skip
UTF8 = (  # bytes that are no UTF-8, or other characters, which some decoder once took for a dot or a slash
    "/%c0%ae%c0%ae/secret.txt", "/%c0%ae%c0%ae%c0%afsecret.txt", "/..%c0%afsecret.txt", "/..%c1%9csecret.txt",
    "/%e0%80%ae%e0%80%ae/secret.txt", "/..%e0%80%afsecret.txt", "/..%f0%80%80%afsecret.txt",
    "/%f8%80%80%80%ae%f8%80%80%80%ae/secret.txt", "/%uff0e%uff0e/secret.txt", "/%u002e%u002e%u2215secret.txt",
    "/..%u2216secret.txt", "/%ef%bc%8e%ef%bc%8e/secret.txt", "/..%ef%bc%8fsecret.txt", "/..%e2%88%95secret.txt",
    "/%00.%00./%00secret.txt", "/.%00./secret.txt", "/%fe%ff%00%2e%00%2e%00%2fsecret.txt", "/%2e%00%2e%00/secret.txt",
    "/%c0%2e%c0%2e/secret.txt", "/..%c0%2fsecret.txt",
)  # fmt: skip
TRICKS = (
    "/..;/secret.txt", "/..;a=b/secret.txt", "/.;/../secret.txt", "/sub;/../../secret.txt", "/..%3b/secret.txt",
    "/../secret.txt%00", "/../secret.txt%00.html", "/hello.txt%00/../../secret.txt", "/..%00/secret.txt",
    "/..%09/secret.txt", "/..%0a/secret.txt", "/..%0d%0a/secret.txt", "/..%20/secret.txt", "/%20../secret.txt",
    "/..../", "/..%2e/secret.txt", "/~/secret.txt", "/~root/", "/$HOME/secret.txt", "/%24%7bHOME%7d/x",
    "/../secret.txt?", "/../secret.txt?x=/hello.txt", "/?/../secret.txt", "/?file=../secret.txt",
    "/../secret.txt#x", "/hello.txt/../../secret.txt", "/hello.txt/../secret.txt", "/nope/../../secret.txt",
    "/*/../secret.txt", "/proc/self/environ", "/proc/self/root/etc/passwd", "/dev/fd/3", "/dev/stdin",
)  # fmt: skip
ABSOLUTE = (
    "//etc/passwd", "///etc/passwd", "////etc//passwd", "/etc/passwd", "//secret.txt", "//../secret.txt",
    "//any.example/../secret.txt", "http://any.example/../secret.txt", "http://any.example/%2e%2e/secret.txt",
    "http://any.example//etc/passwd", "http://any.example/..%2fsecret.txt", "http://../secret.txt",
    "http://any.example", "file:///etc/passwd", "file://any.example/etc/passwd", "http:///etc/passwd",
    "http://any.example/sub/../../secret.txt", "../secret.txt", "secret.txt", "..", "*", "C:/secret.txt",
    "C:\\secret.txt",
)  # fmt: skip
LONG = (
    "/" + "../" * 500 + "etc/passwd", "/" + "%2e%2e/" * 500 + "secret.txt", "/" + "./" * 1000 + "../secret.txt",
    "/" + "sub/../" * 300 + "../secret.txt", "/" + "A" * 4096 + "/../secret.txt", "/" + "/" * 4000 + "etc/passwd",
    "/" + "%2e" * 1000, "/" + "x/" * 2000 + "../" * 2001 + "secret.txt", "/" + "../" * 20_000 + "etc/passwd",
)  # fmt: skip
SPELLINGS = (*UP, *ENCODED, *TWICE, *BACKSLASHES, *UTF8, *TRICKS, *ABSOLUTE, *LONG)

# Links in the folder, and where they lead; what is below each, to ask for.
OUTSIDE = {
    "relative.txt": ("../secret.txt", ""), "absolute.txt": ("{beside}/secret.txt", ""), "up": ("..", "/secret.txt"),
    "folder": ("../site-private", "/secret.txt"), "absolute-folder": ("{beside}/etc", "/passwd"),
    "chain": ("chain-2", "/secret.txt"), "chain-2": ("sub/chain-3", "/secret.txt"),
    "sub/chain-3": ("../..", "/secret.txt"), "root": ("/", "{beside}/secret.txt"), "self": ("/proc/self/cwd", "/"),
    "far": ("sub/../../site/../secret.txt", ""), "sibling": ("../site-private/secret.txt", ""),
    "loop": ("loop", ""), "loop-a": ("loop-b", "/x"), "loop-b": ("loop-a", "/x"), "dangling": ("nowhere", ""),
    "fds": ("/proc/self/fd", "/0"), "device": ("/dev/zero", ""), "long": ("../" * 300 + "etc/passwd", ""),
}  # fmt: skip
INSIDE = {
    "in.txt": ("hello.txt", ""), "sub/in.txt": ("../hello.txt", ""), "in-folder": ("sub", "/deep.txt"),
    "in-absolute.txt": ("{beside}/site/hello.txt", ""), "in-chain.txt": ("in.txt", ""),
    "sub/in-chain": ("../in-folder", "/deep.txt"),
}  # fmt: skip


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the site and the secrets are."""
    folder = tmp_path_factory.mktemp("traversal")
    for name in NAMES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(SECRET)
    (folder / "site" / "sub").mkdir(parents=True)
    (folder / "site" / "hello.txt").write_bytes(WELCOME)
    (folder / "site" / "index.html").write_bytes(WELCOME)
    (folder / "site" / "sub" / "deep.txt").write_bytes(WELCOME)
    for name, (target, _) in {**OUTSIDE, **INSIDE}.items():
        os.symlink(target.replace("{beside}", str(folder)), folder / "site" / name)
    return folder


@pytest.fixture(scope="module", params=[False, True], ids=["links-not-followed", "links-followed"])
def follow(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(scope="module")
def port(beside: Path, follow: bool) -> Iterator[int]:
    handler = Static(root=beside / "site", follow=follow, dotfiles=True, listing=True)
    with Server(handler, bind="127.0.0.1:0") as server:
        yield int(server.url.rstrip("/").rpartition(":")[2])


def ask(port: int, target: str, method: str = "GET") -> tuple[int, bytes]:
    """The status and the body of a well-formed answer, on a connection of its own; whatever comes is without the
    secret, and afterwards the server is there for others."""
    request = f"{method} {target} HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n"
    with connect(port) as client:
        client.sendall(request.encode("latin-1"))
        answer = read_response(client, method)
        assert b"root:x:0:0" not in answer.body
        assert client.recv(1) == b""
    with connect(port) as client:
        client.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: any.example\r\n\r\n")
        assert read_response(client).body == WELCOME
    return answer.status, answer.body


def test_there_are_spellings_enough() -> None:
    assert len(set(SPELLINGS)) == len(SPELLINGS) >= 60


# What some of them come to, which is no way up: the query is none of a file's, and these have no path.
WELCOMED = {"/?/../secret.txt", "/?file=../secret.txt", "http://any.example"}


@pytest.mark.parametrize("target", SPELLINGS, ids=lambda target: ascii(target[:60]))
def test_no_spelling_leads_outside(target: str, port: int) -> None:
    status, body = ask(port, target)
    if target in WELCOMED:
        assert (status, body) == (200, WELCOME)
    else:
        assert status in REFUSED


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_link_leads_outside(name: str, port: int, beside: Path) -> None:
    below = OUTSIDE[name][1].replace("{beside}", str(beside))
    for target in (f"/{name}", f"/{name}/", f"/{name}{below}", f"/{name}/%2e%2e/secret.txt", f"/{name}/../secret.txt"):
        assert ask(port, target)[0] == 404
        assert ask(port, target, "HEAD")[0] == 404


@pytest.mark.parametrize("name", INSIDE)
def test_a_link_that_stays_inside_is_followed_where_it_may_be(name: str, port: int, follow: bool) -> None:
    status, body = ask(port, f"/{name}{INSIDE[name][1]}")
    if follow:
        assert (status, body) == (200, WELCOME)
    else:
        assert status == 404


def test_a_folder_is_never_listed_above_the_root(port: int) -> None:
    for target in ("/", "/sub/"):
        status, body = ask(port, target)
        assert status == 200
        for name in ("secret.txt", "site-private", "passwd"):
            assert name.encode() not in body
