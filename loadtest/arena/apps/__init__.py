"""The same small app in the words of each interface; `content` says what it answers."""
