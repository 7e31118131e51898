"""The heartbeat by itself: who is given up, and who is not."""

import asyncio
from collections.abc import Callable

import pytest

from handlers.websocket.heartbeat import Heartbeat


class Patient:
    """One that says nothing. `happens`: what becomes of it behind each ping."""

    def __init__(self, is_excused: bool, happens: Callable[["Patient"], None]) -> None:
        self.is_excused = is_excused
        self.happens = happens
        self.said: list[str] = []

    def ping(self) -> None:
        self.said.append("ping")
        self.happens(self)

    def give_up(self) -> None:
        self.said.append("give up")


def begin(patient: Patient) -> None:
    patient.is_excused = True


def end(patient: Patient) -> None:
    patient.is_excused = False


def go_on(patient: Patient) -> None:
    pass


@pytest.mark.parametrize(
    ("is_excused", "happens", "is_given_up"),
    [
        (False, go_on, True),
        (True, go_on, False),
        (False, begin, False),
        (True, end, False),  # the ping has left only now: its answer may be on the way
    ],
)
def test_whose_silence_counts(is_excused: bool, happens: Callable[[Patient], None], is_given_up: bool) -> None:
    async def program() -> None:
        patient = Patient(is_excused, happens)
        heartbeat = Heartbeat(asyncio.get_running_loop(), 0.05, 0.02, patient)
        heartbeat.begin()
        await asyncio.sleep(0.08)
        heartbeat.end()
        assert patient.said == (["ping", "give up"] if is_given_up else ["ping"])

    asyncio.run(program())
