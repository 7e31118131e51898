"""The arena: Reactor and its peers on the same work, side by side, each in turn."""
