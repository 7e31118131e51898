"""A few thousand worlds, and that the simulation itself can be trusted: it repeats itself, and it sees faults."""

import subprocess
import sys
from collections.abc import Iterator
from unittest import mock

import pytest

from reactor.connection import Connection
from reactor.outbox import Outbox

from .__main__ import BATCH, play_batch
from .kernel import Failure
from .mutations import MUTATIONS, ROOT, Mutation, hunt
from .plan import KINDS
from .world import World

SEEDS = 4000  # in CI; many more by hand
QUICK = 400  # seeds in which each of the chosen mutations is found


@pytest.mark.parametrize("first", range(0, SEEDS, BATCH))
def test_seeds(first: int) -> None:
    assert play_batch(range(first, first + BATCH)) == []


@pytest.mark.parametrize("seed", [6, 27])  # without a proxy, and with one
def test_the_same_seed_is_the_same_world(seed: int) -> None:
    traces = []
    for _ in range(2):
        world = World(seed, is_traced=True)
        world.play()
        traces.append([line for line in world.trace or [] if "Date:" not in line])
    assert traces[0] == traces[1]
    assert len(traces[0]) > 50


def test_the_worlds_have_everything_in_them() -> None:
    """Every kind of request is answered, every kind of weather is met, and most clients are served."""
    served: set[str] = set()
    errors: set[str] = set()
    for seed in range(QUICK):
        world = World(seed, is_traced=True)
        world.play()
        for client in world.clients.values():
            served |= {client.ask_of(token)[1].kind for token in client.served}
        errors |= {
            word for line in world.trace or [] for word in line.split() if word.isupper() and word.startswith("E")
        }
    silent = {name for name, kind in KINDS.items() if kind.is_silent or kind.may_break}
    assert served >= KINDS.keys() - silent
    assert errors >= {"ECONNRESET", "EPIPE", "ETIMEDOUT", "EMFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED"}


def failure_of(seeds: range) -> str:
    """The first failure among some seeds."""
    return next((failure for _, failure in play_batch(seeds)), "")


@pytest.fixture
def lossy() -> Iterator[None]:
    """A server that loses a byte now and then."""
    add = Outbox.add

    def add_less(outbox: Outbox, data: bytes) -> None:
        add(outbox, data[:-1] if len(data) == 20_000 else data)

    with mock.patch.object(Outbox, "add", add_less):
        yield


@pytest.mark.usefixtures("lossy")
def test_a_lost_byte_is_found() -> None:
    assert "Failure" in failure_of(range(BATCH))


def test_a_server_that_does_nothing_is_found() -> None:
    with mock.patch.object(Connection, "_consume", return_value=False):
        assert any("the server does nothing" in what for _, what in play_batch(range(BATCH)))


def test_an_internal_error_is_found() -> None:
    with mock.patch.object(Connection, "_take_promised", side_effect=ZeroDivisionError):
        assert "internal error" in failure_of(range(BATCH))


def test_a_failure_is_raised_whoever_catches_it() -> None:
    world = World(0)
    with pytest.raises(Failure, match="as asked"):
        world.kernel.fail("as asked")
    with pytest.raises(Failure, match="as asked"):
        world.play()


# The whole list takes minutes: python3 -m tests.simulation.mutations. Here are those that are found soonest.
SOON = [
    "a closed connection stays registered",
    "a byte is lost where a send is short",
    "dispatched before the body is complete",
    "an answer that breaks off looks whole",
    "who is parked has no deadline",
    "a thread's answer does not wake the loop",
    "a broken promise looks complete",
]


@pytest.mark.parametrize("mutation", [each for each in MUTATIONS if each.name in SOON], ids=lambda each: each.name)
def test_mutations_are_found(mutation: Mutation) -> None:
    assert hunt(mutation, QUICK)[0]


def test_all_mutations_have_their_place() -> None:
    assert len(MUTATIONS) >= 20
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
    assert set(SOON) <= {mutation.name for mutation in MUTATIONS}
    for mutation in MUTATIONS:
        assert (ROOT / mutation.path).read_text("utf-8").count(mutation.old) == 1, mutation.name


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_the_command_plays_many() -> None:
    done = command("--seeds", "150", "--jobs", "2")
    assert done.stdout == "150 seeds, and no failure\n"
    assert "150 of 150 seeds" in done.stderr
    assert done.returncode == 0


def test_the_command_plays_one_readably() -> None:
    done = command("--seed", "7", "--trace")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith("    0.000  settings Settings(")
    assert any("connects, and will say" in line for line in lines)
    assert lines[-1] == "seed 7: no failure"
