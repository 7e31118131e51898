"""Attacks over real sockets: whatever hostile clients do, the others are served and nothing grows without bound."""
