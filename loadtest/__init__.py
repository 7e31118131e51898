"""Load tests and measurements. They load servers that they start themselves, on loopback, for a bounded time."""
