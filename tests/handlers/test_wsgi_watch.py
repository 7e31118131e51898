"""The watch on threads: which is busy for long, and with what, said in the log."""

import logging
import re
import threading
from time import monotonic

import pytest

from handlers.wsgi import Wsgi, crew
from handlers.wsgi.watch import Watch, place
from reactor import Server

from .apps import WAIT, Pieces, answering
from .gates import client_socket, until

WAITS = "waits for a client who reads slowly"


def test_a_thread_that_is_busy_for_long_is_named(caplog: pytest.LogCaptureFixture) -> None:
    said = threading.Event()

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.set()

    listening = Listening()
    watch = Watch(patience=0.01, look=0.005)
    logging.getLogger("reactor").addHandler(listening)
    try:
        watch.begin("GET /slow")
        assert said.wait(WAIT)
        watch.end()
        watch.begin("GET /quick")
        watch.end()
    finally:
        logging.getLogger("reactor").removeHandler(listening)
        watch.close()
    line = caplog.records[0].getMessage()
    here = re.escape(__file__)
    assert re.fullmatch(rf"a thread has been busy for \d+ s with GET /slow: it is in \w+ \({here}, line \d+\)", line)


def test_a_thread_that_waits_for_its_client_is_not_blamed_on_the_application(caplog: pytest.LogCaptureFixture) -> None:
    handler = Wsgi(answering(Pieces(*[b"x" * 65536] * 1000)), threads=1)
    with Server(handler, bind="127.0.0.1:0") as server, client_socket(server) as client:
        client.sendall(b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
        way = handler._way
        assert isinstance(way, crew.Crew)
        until(lambda: any(place(thread) == WAITS for thread in way.watch._busy))
        way.watch._name_busy(monotonic() + 11)
    assert caplog.records[0].getMessage().endswith(f"with GET /much: it {WAITS}")


def test_it_is_named_again_after_twice_the_time(caplog: pytest.LogCaptureFixture) -> None:
    watch = Watch()
    watch.close()
    watch.begin("GET /slow")
    began = watch._busy[threading.get_ident()][0]
    for seconds in (9, 10, 11, 19, 20, 39, 40):
        watch._name_busy(began + seconds)
    watch.end()
    assert [re.findall(r"for (\d+) s", each.getMessage())[0] for each in caplog.records] == ["10", "20", "40"]


def test_a_thread_that_has_ended_is_nowhere() -> None:
    thread = threading.Thread(target=str)
    thread.start()
    thread.join()
    assert place(thread.ident or 0) == "has ended"
