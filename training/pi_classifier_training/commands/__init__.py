"""The commands of ``pi-classifier-train``, by subject, in the order ``--help`` shows.

Each module has ``add(commands)``, which names its commands and says what runs them. It
imports only light modules at its top: a command's options are added when it is the one in
use, and what it needs TensorFlow for is imported when it runs, so that ``--help`` answers at
once.
"""

MODULES = (
    "auto", "retrain", "deliver", "evaluate", "export", "compress", "calibrate", "inspect", "data",
)  # fmt: skip
