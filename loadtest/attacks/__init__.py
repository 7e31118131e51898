"""What hostile clients do to a server, and what everybody else gets meanwhile: for the tests, and measured."""
