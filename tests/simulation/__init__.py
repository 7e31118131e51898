"""The whole server, its own code, on a kernel, a network, clients and a clock that are played, all from one seed.

`kernel.py` is the machine: sockets, selector, clock, other threads, and what goes wrong with them. `plan.py` draws
what each client will do, `client.py` does it and judges every byte it gets; `application.py` is the handler, with every
kind of answer; in every fourth world a proxy is part of it, `network.py` is what it dials, and `upstream.py` a server
that it finds there. `world.py` puts them around a `reactor.Server` and checks, after every turn, what must always be
true.

    python3 -m tests.simulation --seeds 10000          run so many; a failure prints its seed
    python3 -m tests.simulation --seed 4711 --trace    play one again, readably
    python3 -m tests.simulation.mutations              put faults into the server, one at a time: each must be found
"""
