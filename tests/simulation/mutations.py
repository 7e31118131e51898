"""`python3 -m tests.simulation.mutations`: put faults into the server, one at a time, and see the simulation find each.

A mutation is one place in `reactor/` or the proxy, and what stands there instead: the mistakes that are made in servers
like this one. It is applied to a copy; what is not found says that the simulation does not look there.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from reactor.terminal import GREEN, PLAIN, RED, is_coloured

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = 20_000  # that may be needed to find one


class Mutation(NamedTuple):
    """In `file`, under `reactor/` or of `handlers/`, `new` stands instead of `old`, which is there exactly once."""

    name: str
    file: str
    old: str
    new: str

    @property
    def path(self) -> str:
        return self.file if self.file.startswith("handlers/") else f"reactor/{self.file}"


MUTATIONS = [
    # Watching and waking.
    Mutation(
        "a closed connection stays registered",
        "connection.py",
        "if self._watched:  # unregister, then close",
        "if False:  # unregister, then close",
    ),
    Mutation(
        "what is watched is not changed with the state",
        "connection.py",
        "if events != self._watched or",
        "if not self._watched or",
    ),
    Mutation(
        "watched for write with nothing owed",
        "state.py",
        'IDLE = State("IDLE", READ,',
        'IDLE = State("IDLE", READ | WRITE,',
    ),
    Mutation("watched for read behind the peer's FIN", "connection.py", "if self._has_said_goodbye or (len", "if (len"),
    Mutation(
        "no high-water mark for what comes ahead of its turn",
        "connection.py",
        "len(self._inbox) > HIGH_WATER and state in AHEAD",
        "False",
    ),
    Mutation(
        "a thread's answer does not wake the loop",
        "loop.py",
        "if threading.get_ident() != self._thread:\n            self._waker.wake()",
        "pass",
    ),
    Mutation(
        "a waker that is never emptied",
        "loop.py",
        "while len(self._reader.recv(4096)) == 4096:\n                pass",
        "pass",
    ),
    Mutation(
        "an answered Later tells nobody",
        "answers.py",
        "elif deliver is not None:\n            deliver()",
        "elif deliver is not None:\n            pass",
    ),
    Mutation(
        "a Later answered before it is waited for tells nobody",
        "answers.py",
        "if is_answered:\n            deliver()",
        "if is_answered:\n            pass",
    ),
    Mutation(
        "requests that are here and not looked at are forgotten",
        "courier.py",
        "if has_more and (self._exchange",
        "if False and (self._exchange",
    ),
    # Deadlines.
    Mutation(
        "a tick too few: the clock stops while connections are open",
        "service.py",
        "self.reactor.keeps_time = True",
        "pass",
    ),
    Mutation(
        "the deadline of a kept connection is not moved",
        "connection.py",
        "self.deadline = self._service.reactor.now + self._service.keep_alive",
        "pass",
    ),
    Mutation(
        "every byte of a head buys it the whole time again",
        "wait.py",
        "return self._began + (settings.timeout_header or inf)",
        "return now + (settings.timeout_header or inf)",
    ),
    Mutation(
        "no deadline for what is owed",
        "wait.py",
        "return self._began + timeout\n",
        "return inf\n",
    ),
    Mutation("a pause of ours is not taken off the peer's time", "wait.py", "self._began += now - self._left", "pass"),
    Mutation(
        "a silent client is never let go",
        "connection.py",
        "            if state is IDLE:\n                self.close()\n",
        "            if state is IDLE:\n                pass\n",
    ),
    Mutation(
        "no last look before an idle close",
        "connection.py",
        "self._on_readable(READ)  # what we wait for",
        "pass  #",
    ),
    Mutation("lingering without end", "wait.py", "return self._began + (settings.timeout_linger or inf)", "return inf"),
    Mutation("a tick late: deadlines are looked at every other second", "loop.py", "TICK = 1.0", "TICK = 3.5"),
    # Bytes.
    Mutation(
        "a byte is lost where a send is short",
        "outbox.py",
        "self._first = memoryview(self._first)[sent:]\n                    return",
        "self._first = memoryview(self._first)[sent + 1:]\n                    return",
    ),
    Mutation(
        "what was sent of several is sent again",
        "outbox.py",
        "        del pieces[:done]\n",
        "        del pieces[:done - 1]\n",
    ),
    Mutation(
        "a short send is taken for a whole one",
        "outbox.py",
        "self.size = left = self.size - sent",
        "self.size = left = 0",
    ),
    Mutation(
        "an answer that is remembered has a body for HEAD, too",
        "respondent.py",
        "if keep and head.is_plain and response._sent",
        "if keep and response._sent",
    ),
    Mutation(
        "an answer that is remembered closes nothing",
        "respondent.py",
        "if keep and head.is_plain and response._sent",
        "if head.is_plain and response._sent",
    ),
    Mutation(
        "the head that came last stands for another of its length",
        "http1/parser.py",
        "if (data == raw and not start)",
        "if (len(data) == len(raw) and not start)",
    ),
    Mutation("the file goes on where it began", "outbox.py", "self._offset += sent", "pass"),
    Mutation(
        "a promised piece is pulled twice",
        "outbox.py",
        "promised, outbox.waiting = outbox.waiting, None",
        "promised, outbox.waiting = None, None",
    ),
    Mutation("the last chunk is left out", "outbox.py", 'outbox.add(b"0\\r\\n%b\\r\\n" % lines)', "pass"),
    Mutation(
        "what was consumed is read again",
        "courier.py",
        "self._inbox = self._inbox[self._at :]\n            self._at = 0\n        if not",
        "self._at = 0\n        if not",
    ),
    Mutation(
        "two bytes skipped behind a chunk",
        "http1/body.py",
        'if end == b"\\r\\n":\n            self._next',
        "if len(end) == 2:\n            self._next",
    ),
    # Order.
    Mutation(
        "dispatched before the body is complete",
        "dialogue.py",
        "if exchange.later is not None or not decoder.is_complete:\n                if",
        "if exchange.later is not None:\n                if",
    ),
    Mutation(
        "the next request is read before the last is answered",
        "dialogue.py",
        "elif outbox.source is not None or outbox.size > HIGH_WATER:\n                return True",
        "elif False:\n                return True",
    ),
    Mutation(
        "what follows a refusal is read",
        "connection.py",
        "        try:\n            self._transport.shutdown_write()",
        "        self.is_closing = False\n        try:\n            self._transport.shutdown_write()",
    ),
    Mutation(
        "Connection: close is forgotten",
        "respondent.py",
        "elif not reply(outbox, request, response, service.stamp, keep and head.terms.keep_alive):",
        "elif reply(outbox, request, response, service.stamp, keep and head.terms.keep_alive) is None:",
    ),
    # Both ways at once.
    Mutation(
        "an answer that comes before the end of a body gives that up",
        "dialogue.py",
        "exchange.is_answered = True\n            self._give(exchange.request, answer)\n        elif self._may",
        "exchange.discard_rest(0)\n            self._give(exchange.request, answer)\n        elif self._may",
    ),
    Mutation(
        "behind an early answer the sink gives another",
        "dialogue.py",
        "            self._quietly(exchange.sink.finish)\n        else:",
        "            self._give(exchange.request, self._ask(exchange.request, finish, exchange.sink))\n        else:",
    ),
    Mutation(
        "an early answer that fails leaves its sink waited for",
        "dialogue.py",
        "exchange.later, exchange.is_paused = None, False\n                self._service.working -= 1",
        "pass",
    ),
    Mutation(
        "an early answer is lost with the body that breaks off",
        "dialogue.py",
        "if self._has_said_goodbye and exchange.later is None and not decoder.has_more:",
        "if False:",
    ),
    Mutation(
        "nobody abandons the answer of a body that breaks off",
        "exchange.py",
        "            if early is not None:\n                early.abandon()",
        "            pass",
    ),
    Mutation(
        "a protocol that takes no more is fed",
        "dialogue.py",
        "        if link.room is None:\n            data",
        "        if True:\n            data",
    ),
    Mutation(
        "a protocol that takes more again is not fed",
        "upgrade.py",
        "self._service.reactor.call_from_outside(self._go_on)",
        "pass",
    ),
    Mutation(
        "a protocol is told goodbye in front of what came before",
        "dialogue.py",
        "if self._has_said_goodbye and link.room is None and not",
        "if self._has_said_goodbye and not",
    ),
    Mutation(
        "nobody abandons the promise of a protocol",
        "upgrade.py",
        "                room.abandon()",
        "                pass",
    ),
    # Ends.
    Mutation(
        "a broken promise looks complete",
        "courier.py",
        "            self.abort()\n            return False\n",
        "            self._outbox.drop_source()\n            self.close()\n            return False\n",
    ),
    Mutation(
        "a reset instead of a lingering close",
        "connection.py",
        "            return LINGER\n",
        "            return CLOSED\n",
    ),
    Mutation(
        "closed at once where it should linger",
        "connection.py",
        "self._transport.shutdown_write()",
        "self.close()\n            return False",
    ),
    Mutation(
        "a half-closed client is hung up on",
        "courier.py",
        "exchange, waiting = self._exchange, self._outbox.waiting\n",
        "exchange, waiting = self._exchange, self._outbox.waiting\n        self.is_closing = True\n",
    ),
    Mutation(
        "nobody tells the sink that the rest will not come",
        "exchange.py",
        "        finally:\n            sink.abort()",
        "        finally:\n            pass",
    ),
    Mutation(
        "the iterator of a broken answer stays open", "connection.py", "self._quietly(outbox.drop_source)", "pass"
    ),
    Mutation(
        "a connection that is gone is counted for ever", "service.py", "self.connections.discard(connection)", "pass"
    ),
    Mutation(
        "an abandoned Later is counted for ever",
        "connection.py",
        "self._service.working -= exchange.later is not None",
        "pass",
    ),
    Mutation(
        "the protocol is not told of its end",
        "upgrade.py",
        "self.ask(self.protocol.on_close)",
        "pass",
    ),
    # Accepting and stopping.
    Mutation(
        "accept spins when there is no room",
        "listener.py",
        "        self.pause()\n        self._service.reactor.call_soon(self._make_room)",
        "        self._service.reactor.call_soon(self._make_room)",
    ),
    Mutation(
        "a connection that closes makes no room",
        "server.py",
        "        for listener in self._listeners:\n            listener.resume()\n\n    def _catch",
        "\n    def _catch",
    ),
    Mutation(
        "after the descriptors ran out, nobody is accepted",
        "server.py",
        "            listener.resume()\n        if self._drain_until",
        "            pass\n        if self._drain_until",
    ),
    Mutation(
        "one more than the limit",
        "listener.py",
        "self._service.count < self._limit",
        "self._service.count <= self._limit",
    ),
    Mutation(
        "bytes of a body that were left for another turn are forgotten",
        "exchange.py",
        "return self.later is None and self.decoder is not None and self.decoder.has_more",
        "return False",
    ),
    Mutation(
        "no connection is kept alive",
        "respondent.py",
        "keep = not self.is_closing and",
        "keep = False and",
    ),
    Mutation("nobody is told to continue", "dialogue.py", "self._outbox.add(_CONTINUE)", "pass"),
    Mutation(
        "a connection may ask for more than its number of requests",
        "respondent.py",
        " and self._served < service.allowance",
        " and not service.is_draining",
    ),
    Mutation("no limit on what is worked on", "respondent.py", "if limit and service.working >= limit:", "if False:"),
    Mutation(
        "one client may have all connections",
        "service.py",
        "self.clients.get(origin.address[0], 0) >= limit",
        "False",
    ),
    Mutation(
        "who was answered when it was accepted is never looked at again",
        "connection.py",
        "self._service.reactor.call_soon(self._look_again)",
        "pass",
    ),
    Mutation(
        "who was looked at again and is still there is not waited for",
        "connection.py",
        "            self._on_leftovers(READ)\n            self._settle()",
        "            self._on_leftovers(READ)",
    ),
    Mutation(
        "what is here when a connection is accepted is left lying",
        "connection.py",
        "        if self._receive():\n            self._advance()\n        else:\n            self._settle()",
        "        self._receive()\n        self._settle()",
    ),
    Mutation(
        "a connection that cannot be watched is kept",
        "listener.py",
        "            connection.close()\n            self._exhausted(error)",
        "            self._exhausted(error)",
    ),
    Mutation(
        "a head that another connection began with ends a byte early",
        "http1/parser.py",
        "self.end = len(data)\n            return Request(known",
        "self.end = len(data) - 1\n            return Request(known",
    ),
    Mutation(
        "what the kernel took is taken for what the peer took",
        "connection.py",
        "self._outbox.sent - self._transport.queued() if",
        "self._outbox.sent if",
    ),
    Mutation(
        "who reads slowly is not looked at again",
        "connection.py",
        "elif state in TAKEN and (due :=",
        "elif False and (due :=",
    ),
    Mutation(
        "idle connections make no room", "service.py", "            self.retire(connection)\n", "            pass\n"
    ),
    Mutation(
        "room is made at the cost of somebody who has not been served",
        "connection.py",
        "return self.state is IDLE and self._served > 0",
        "return self.state is IDLE",
    ),
    Mutation(
        "what an upgraded protocol owes is counted from what it sent before",
        "wait.py",
        "self._seen = -1  # with",
        "pass  # with",
    ),
    Mutation(
        "a stop resets who waits in the queue",
        "listener.py",
        "if not self._accept(BURST, is_limited=False):\n                break",
        "break",
    ),
    Mutation("a stop waits for idle connections", "server.py", "self.service.retire(connection)", "pass"),
    # Parking.
    Mutation(
        "who is parked has no deadline",
        "parking.py",
        "set(islice((fd for fd, deadline in self._deadlines.items() if deadline <= now), most))",
        "set()",
    ),
    Mutation(
        "to come back buys time",
        "connection.py",
        "        self._settle()\n        self.deadline = deadline\n",
        "        self._settle()\n",
    ),
    Mutation(
        "who comes back is watched by both",
        "parking.py",
        "            self._epoll.unregister(fd)\n",
        "            pass\n",
    ),
    Mutation(
        "who is reset in the parking keeps its descriptor",
        "listener.py",
        "        transport.close()\n        service.tell_room()",
        "        service.tell_room()",
    ),
    Mutation(
        "who is parked takes no place",
        "service.py",
        "return len(self.connections) + (0 if self.parking is None else len(self.parking))",
        "return len(self.connections)",
    ),
    Mutation(
        "who is parked makes no room", "service.py", "            spare += parking.next(count)", "            pass"
    ),
    Mutation(
        "a stop forgets who is parked",
        "server.py",
        "            endpoint.close()\n        self.service.clear_parking()\n",
        "            endpoint.close()\n",
    ),
    Mutation(
        "who is busy is parked", "service.py", "each.deadline > now and each.is_spare]", "each.deadline > now]"
    ),
    Mutation(
        "the descriptor is closed in the parking",
        "connection.py",
        "self._end(self._transport.detach)",
        "self._end(self._transport.close)",
    ),
    Mutation(
        "a stop does not wait for answers",
        "server.py",
        "if self._has_drained and not self.service.count:",
        "if self._has_drained:",
    ),
    Mutation(
        "a stop ends with a connection that closed before it began",
        "server.py",
        "if self._has_drained and not self.service.count:",
        "if not self.service.count:",
    ),
]

# The client and the proxy.
MUTATIONS += [
    Mutation(
        "who does not answer when dialled is waited for for ever",
        "client.py",
        "            return timeouts.connect\n",
        "            return 0\n",
    ),
    Mutation("a connection that failed is taken for one", "client.py", "        if failure:\n", "        if False:\n"),
    Mutation(
        "what is owed to an upstream is not watched for", "client.py", "| (WRITE if self._outbox.size else 0)", "| 0"
    ),
    Mutation(
        "a dialled connection that is closed is counted for ever",
        "client.py",
        "self._service.outward.discard(self)",
        "pass",
    ),
    Mutation(
        "an upstream is read while nobody takes what it says", "client.py", "(0 if self._is_paused or", "(0 if False or"
    ),
    Mutation(
        "a dialled connection that is not watched any more is an error of ours",
        "client.py",
        "            if is_new:\n                raise",
        "            if True:\n                raise",
    ),
    Mutation(
        "what has left of a request buys no time",
        "client.py",
        "            if self._outbox.sent > sent:\n",
        "            if False:\n",
    ),
    Mutation(
        "who takes more again hears nothing of what is here",
        "client.py",
        "        if self._inbox:\n            self._put_off()\n        self._settle()",
        "        self._settle()",
    ),
    Mutation(
        "what is here of a chunked answer is forgotten",
        "client.py",
        "self._service.reactor.call_soon(self._go_on)",
        "pass",
    ),
    Mutation(
        "a connection is kept whose request is not complete",
        "hearing.py",
        "elif keeps and self._is_asked:",
        "elif keeps:",
    ),
    Mutation(
        "a connection that said too much is kept",
        "hearing.py",
        "        if self._inbox:\n            log",
        "        if False:\n            log",
    ),
    Mutation(
        "an answer that is cut short is whole",
        "hearing.py",
        "elif not isinstance(decoder, UntilCloseBody) or taker is None:",
        "elif taker is None:",
    ),
    Mutation(
        "an answer goes on behind its end",
        "hearing.py",
        "self._inbox = inbox[begin + length :]",
        "self._inbox = b\"\"",
    ),
    Mutation(
        "what must not be repeated is repeated",
        "handlers/proxy/passage.py",
        "may_repeat = self._is_idempotent and",
        "may_repeat = True and",
    ),
    Mutation(
        "nothing is repeated",
        "handlers/proxy/passage.py",
        "error.is_unheard and error.status == 502 and may_repeat",
        "False",
    ),
    Mutation(
        "only one place is tried",
        "handlers/proxy/passage.py",
        "error.reason)\n            self._connect(pool)",
        "error.reason)\n            self._fail(connection, error)",
    ),
    Mutation(
        "what was kept of a body is not sent again",
        "handlers/proxy/passage.py",
        "        if self._kept:\n",
        "        if self._kept and not self._was_repeated:\n",
    ),
    Mutation(
        "a client that has gone leaves its question behind",
        "handlers/proxy/passage.py",
        "        if connection is not None:\n            connection.close()\n        if body",
        "        if body",
    ),
    Mutation(
        "a piece waits for room on a connection that is over",
        "handlers/proxy/passage.py",
        "            if sender is not None:  # a piece",
        "            if False:  # a piece",
    ),
    Mutation(
        "an answer that breaks off looks whole",
        "handlers/proxy/bodies.py",
        "self._end(ConnectionAbortedError(reason))",
        "self._end(None)",
    ),
    Mutation(
        "an upstream is read however slow the client",
        "handlers/proxy/bodies.py",
        "if self._size > HIGH_WATER and self._connection is not None:",
        "if False:",
    ),
    Mutation(
        "an upstream is never read again",
        "handlers/proxy/bodies.py",
        "                connection.resume()",
        "                pass",
    ),
    Mutation(
        "a client is read however slow the upstream",
        "handlers/proxy/bodies.py",
        "if passage.owed <= HIGH_WATER:",
        "if True:",
    ),
    Mutation(
        "a client whose body waits for room is forgotten",
        "handlers/proxy/bodies.py",
        "            room.answer(None)",
        "            pass",
    ),
    Mutation(
        "the last chunk of a request is left out",
        "handlers/proxy/bodies.py",
        'self._passage.send(b"0\\r\\n\\r\\n", is_complete=True)',
        "self._passage.send(b\"\", is_complete=True)",
    ),
    Mutation(
        "an answer that nobody takes goes on",
        "handlers/proxy/bodies.py",
        "        if connection is not None:\n            connection.close()",
        "        if False:\n            pass",
    ),
    Mutation(
        "what must not be repeated is sent where nobody is",
        "handlers/proxy/upstreams.py",
        "elif (is_careful or is_old or connection.is_doubtful) and not connection.is_there():",
        "elif False:",
    ),
    Mutation(
        "kept connections outlive the server",
        "handlers/proxy/upstreams.py",
        "        for connection in idle:\n            connection.close()",
        "        pass",
    ),
    Mutation(
        "a tunnel is left open behind its client",
        "handlers/proxy/tunnel.py",
        "        else:\n            self._connection.close()",
        "        else:\n            pass",
    ),
]


def hunt(mutation: Mutation, seeds: int) -> tuple[str, float]:
    """What the simulation says of a server with this fault ("" is nothing), and how long that took, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("reactor", "handlers", "tests"):
            shutil.copytree(ROOT / name, Path(folder, name), ignore=shutil.ignore_patterns("__pycache__", "corpus"))
        path = Path(folder, mutation.path)
        text = path.read_text("utf-8")
        if text.count(mutation.old) != 1:
            raise ValueError(
                f"{mutation.name}: {text.count(mutation.old)} places in {mutation.file} read {mutation.old!r}"
            )
        path.write_text(text.replace(mutation.old, mutation.new), "utf-8")
        command = [sys.executable, "-m", "tests.simulation", "--seeds", str(seeds)]
        environment = {**os.environ, "PYTHONPATH": folder, "NO_COLOR": "1"}
        began = time.monotonic()
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
        found = re.search(r"^seed (\d+): (.*)", done.stdout, re.MULTILINE)
        if done.returncode and found is None:
            raise RuntimeError(f"{mutation.name}: {done.stderr}")
        return (f"seed {found[1]}: {found[2]}" if found else ""), time.monotonic() - began


UNCHANGED = Mutation("nothing: the server as it is", "loop.py", '"""The reactor', '"""The reactor')


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.simulation.mutations", description=__doc__)
    parser.add_argument("--seeds", type=int, metavar="N", default=SEEDS, help=f"for each at most (default {SEEDS})")
    parser.add_argument("--only", metavar="WORDS", default="", help="those whose name has these words")
    options = parser.parse_args()
    missed = 0
    chosen = [mutation for mutation in MUTATIONS if options.only in mutation.name]
    if hunt(UNCHANGED, 500)[0]:
        sys.exit("the simulation fails without any mutation: what it finds would prove nothing")
    for mutation in chosen:
        found, seconds = hunt(mutation, options.seeds)
        missed += not found
        verdict = "found " if found else "MISSED"
        if is_coloured(sys.stdout):
            verdict = f"{GREEN if found else RED}{verdict}{PLAIN}"
        print(f"{verdict} {seconds:5.1f} s  {mutation.name}\n                {found[:110]}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} found")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
