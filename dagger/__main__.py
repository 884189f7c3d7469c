"""`python -m dagger` is the `dagger` command."""

import sys

from dagger.cli import main

if __name__ == "__main__":
    sys.exit(main())
