"""The tests of Reactor. `python3 -m tests` sets up what they need and runs them; see `__main__.py`."""

import sys

# Written so that an old Python can read it: it runs before anything newer is even compiled.
if sys.version_info < (3, 11):  # noqa: UP036  (the one place that must still run on an old Python)
    sys.exit("Reactor needs Python 3.11 or newer; this is Python %d.%d." % sys.version_info[:2])  # noqa: UP031  (same)
