"""``python -m growthlab`` is the command line."""

import sys

from growthlab.cli.main import process

if __name__ == "__main__":
    sys.exit(process())
