"""What a request costs, counted: `python3 -m tests.counts`. The counts that may not grow are in `tests/counts.toml`.

Counted is what one request on a kept connection costs, when some like it have been served, on a real reactor over a
real socket pair. Of each count the least of three such requests is taken: what disturbs can only add.

- **Python calls**: functions entered in `reactor/` and `handlers/`, generators' pieces too.
- **C calls**: functions in C called from there.
- **System calls**: by name; `epoll_ctl` is a selector's register, modify and unregister.
- **Peak bytes**: what `tracemalloc` has at the most, beyond what it had before the request. Of a hello that is the
  64 KiB for `recv`, which has to offer room before it knows what comes.
- **Kept blocks**: pieces of memory that are there afterwards, when the collector has run, and were not before. A number
  of allocations cannot be had: `tracemalloc` knows what is there, not what has been and gone.
  What the server remembers on purpose (lines of heads, up to a bound) is among them: see `changed-fields`.
- **Copied bytes**: see `tests/counts/copied.py`.
"""
