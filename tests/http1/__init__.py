"""The protocol core's tests: one file for each of its files, which that file alone covers to 100 % of its branches, and
some that look across all of it: every cut, properties. Other parsers are asked in `tests/differential/`.
"""
