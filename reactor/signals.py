"""Signals of the process: TERM, INT and HUP drain a server, a second INT stops it at once.

Law: they are ours while the server runs, and what was found is given back.
"""

import signal
from collections.abc import Callable

from .loop import Reactor


def catch_signals(reactor: Reactor, drain: Callable[[], None], is_draining: Callable[[], bool]) -> Callable[[], None]:
    """Let signals call `drain` in the reactor's next turn; returns what undoes it; for the main thread. A HUP that is
    ignored is not ours: that is how nohup says to stay."""
    is_told = False

    def on_signal(number: int, _frame: object) -> None:
        nonlocal is_told
        if number == signal.SIGINT and (is_told or is_draining()):
            raise KeyboardInterrupt  # wherever we are: a handler that holds the loop would never let abort() begin
        is_told = True
        reactor.call_soon(drain)

    numbers = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    former = {number: signal.signal(number, on_signal) for number in numbers}
    former_fd = signal.set_wakeup_fd(reactor.signal_fd, warn_on_full_buffer=False)

    def restore() -> None:
        signal.set_wakeup_fd(former_fd)
        for number, action in former.items():
            signal.signal(number, action)

    return restore
