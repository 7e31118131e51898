"""A load with checks: the greeting, a page that is not there, and a body that must come back as it was sent.

`python3 -m loadtest.locust_run` starts the server and runs this. By hand, against a server of your own:

    python3 -m reactor hello --mount /echo=echo
    locust -f loadtest/locustfile.py --headless -u 20 -r 20 -t 10s --host http://127.0.0.1:8000
"""

import os
import random
from typing import Any

from locust import FastHttpUser, constant, events, task

POOL = os.urandom(64 * 1024)  # bodies are slices of it


class Visitor(FastHttpUser):
    """Asks, looks at the answer, and asks again without pause."""

    wait_time = constant(0)

    def check(self, method: str, path: str, status: int, expected: bytes | None, data: bytes | None = None) -> None:
        """One exchange; it is a success only with this status and, if one is given, this body."""
        name = f"{method} {path}"
        body: Any = data  # locust sends bytes too, but its types say text only
        with self.client.request(method, path, data=body, name=name, catch_response=True) as response:
            if response.status_code != status:
                response.failure(f"status {response.status_code}, not {status}")
            elif expected is not None and response.content != expected:
                response.failure("a body, but not the one expected")
            else:
                response.success()

    @task(3)
    def hello(self) -> None:
        self.check("GET", "/test", 200, b"Hello")

    @task(1)
    def nothing_there(self) -> None:
        self.check("GET", "/nope", 404, None)

    @task(2)
    def echo(self) -> None:
        start = random.randrange(len(POOL))
        sent = POOL[start : start + random.choice([1, 100, 10_000, len(POOL)])]
        self.check("POST", "/echo", 200, sent, sent)


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # locust left it without types
def _nothing_is_no_success(environment: Any, **_: Any) -> None:
    """A run that asked nothing proves nothing."""
    if environment.stats.total.num_requests == 0:
        environment.process_exit_code = 1
