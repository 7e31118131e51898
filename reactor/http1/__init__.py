"""HTTP/1.1, sans-IO: bytes to requests, responses to bytes; no socket, clock, log or setting in here.

Read in this order: grammar (the productions), errors, fields (field blocks), framing (where a body ends),
query (percent-encoding), request (what a handler sees), parser (heads), body (bodies), response.
"""
