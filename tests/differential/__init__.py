"""Our reading of a stream beside that of parsers nobody here wrote: h11, llhttp (of Node.js) and http.server."""
