"""Handlers, and the contract between them and the server.

A handler is anything that can be called with a `Request` and returns an answer:

    def handler(request: Request) -> Response:
        return Response(200, f"Hello, {request.query.get('name', 'world')}")

It is called on the reactor's thread, once the request is complete, its body in memory (`limit_body_size`). It
must not block: one that holds the loop for longer than 100 ms, itself or in a body sink, a body's iterator or an
upgraded protocol, is named in the log; `handlers.offload` moves it to a thread. What it raises is logged and becomes
a 500.

An application of WSGI needs none of this: `handlers.wsgi.Wsgi(app)` is a handler that calls it.

The answer is one of three:
- a `Response`: now. Its body is bytes, text, an open binary file, or an iterable of bytes, which is pulled piece
  by piece as the client takes them. An iterator that has nothing to give yet yields a `Later` of the piece; what it
  returns, if it is not None, are trailer fields. The iterable's `close()` is called as soon as it is done, or the
  client gone.
- a `Later`: the answer is given by `later.answer(response)`, from the loop or from any thread. In front of it,
  `later.inform(Response(103, headers=...))` tells what is known already, from the loop.
- an `Upgrade`: from here on the connection speaks another protocol. Its `feed` may return a `Later` as well: no more
  is fed until that is answered.

Optional methods, looked up once when the server starts:
- `on_head(request)`: called as soon as the head is here, for every request, before anything is read of a body.
  It returns None (go on: collect the body, then call me); an answer (now: 401, 404, 413; a client that waits for
  100 Continue is not sent one, and the body is thrown away); or a body sink (`reactor.BodySink`), which is fed
  the body as it comes and gives the answer when it is complete. It is aborted instead when the rest will not come,
  when its `feed` raises, and when the `Later` that its `feed` returned is answered with an exception. A sink that has
  an attribute `early`, a `Later`, may answer by it before the body is complete: the answer begins, and the body goes
  on coming; `finish` returns `early` itself, where that is not answered yet.
- `startup(server)` before the first request, `shutdown()` after the last.
- `on_datagram(data)`: bytes in, bytes or None out, for udp:// and unixgram: addresses.
- `takes_connect` (an attribute): true if CONNECT is for it; else CONNECT is answered 501.

Options are the fields of a dataclass whose instances are handlers: `--mount /up=upload.py:Upload:folder=/srv`
makes `Upload(folder="/srv")`, checked field by field.

The server's own, which a handler must not set: Content-Length, Transfer-Encoding, Connection, Keep-Alive, Upgrade,
Date, Server; and Content-Type, for which there is `content_type=`.
"""
