"""`python -m tests.system.processors`; `scripts/arm` sets up what it needs."""

import sys

from .cli import main

sys.exit(main())
