"""`python -m reactor`: the command line, without an installation."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
