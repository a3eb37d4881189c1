"""`python -m pi_classifier` is `pi-classifier`."""

import sys

from pi_classifier.cli import main

if __name__ == "__main__":
    sys.exit(main())
