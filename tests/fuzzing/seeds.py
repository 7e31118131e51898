"""What fuzzing begins with: the corpus, the samples, and a visit to each animal of the zoo."""

from itertools import chain

from tests import corpus
from tests.http1 import response_samples
from tests.http1.response_samples import BAD as REFUSED
from tests.http1.response_samples import GOOD as ANSWERED
from tests.http1.samples import BAD, GOOD
from tests.simulated import chunked, get, head, post

LONGEST = 1024  # bytes; what takes longer to read is rarely about more

TOY = ("Connection: Upgrade", "Upgrade: toy")
VISITS = [
    *(
        get(path)
        for path in ("/hello", "/big", "/file", "/iterator", "/iterator-length", "/promises", "/later", "/raise")
    ),
    *(get(path, *TOY) for path in ("/toy", "/later-toy")),
    *(post(path, b"hello" * 9) for path in ("/echo", "/sink", "/early", "/early-big", "/early-later", "/later")),
    *(chunked(path, b"hello", b"wait", b"more", b"stop", b"x" * 40) for path in ("/echo", "/sink", "/early-later")),
    get("/toy", *TOY) + b"hello",
    head("POST /sink", "Expect: 100-continue", "Content-Length: 4") + b"wait",
    head("CONNECT a:1", "Content-Length: 4") + b"wait",
    get("/iterator") + post("/echo", b"x" * 300) + get("/big", "Connection: close") + get("/hello"),
    get("/later") * 3,
    get("/hello") * 20,
]


def script(*steps: tuple[int, int]) -> bytes:
    """A script of (verb, how much); see `targets.py`."""
    return b"\xff" + bytes(verb | much << 3 for verb, much in steps)


ARRIVE, ARRIVE_MORE, TAKE, PASS, ANSWER, END, FAIL, SEND = range(8)
SCRIPTS = [
    script((TAKE, 0), (ARRIVE_MORE, 31), (TAKE, 3), (PASS, 9), (TAKE, 1), (TAKE, 31)),
    script((ARRIVE_MORE, 31), (ANSWER, 0), (ANSWER, 1), (ANSWER, 3), (ANSWER, 4), (SEND, 9), (END, 0)),
    script((ARRIVE, 20), (ARRIVE, 0), (PASS, 9), (PASS, 9), (PASS, 31), (PASS, 31), (PASS, 31)),
    script((ARRIVE_MORE, 31), (END, 1), (PASS, 1), (ANSWER, 2), (ANSWER, 5), (TAKE, 31)),
    script((ARRIVE, 31), (FAIL, 0)),
]


def streams() -> list[bytes]:
    """Good and bad streams."""
    cases = (case.data for case in corpus.load().values())
    samples = chain(GOOD.values(), (data for data, _ in BAD.values()))
    return [data for data in chain(cases, samples) if len(data) <= LONGEST]


def of(target: str) -> list[bytes]:
    """The seeds of a target."""
    if target == "head":
        return streams()
    if target == "chunked":
        return [data.partition(b"\r\n\r\n")[2] for data in streams() if b"chunked" in data.lower()]
    if target == "response":
        return [*(data for _, data in ANSWERED.values()), *response_samples.CLOSING.values(), *REFUSED.values()]
    played = [visit + script for visit in VISITS for script in SCRIPTS]
    return [*streams(), *VISITS, *played]
