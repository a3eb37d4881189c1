"""The commands of ``pi-classifier-train``, one module each, in the order ``--help`` shows.

Each has ``add(commands)``, which names the command and sets ``run``. A command module
imports only light modules at its top: its options are added when it is the one in use, and
what it needs TensorFlow for is imported when it runs, so that ``--help`` answers at once.
"""

MODULES = (
    "retrain",
    "experiments",
    "evaluate",
    "compare",
    "export",
    "quantize",
    "round",
    "calibrate",
    "inspect",
    "measure_folding",
    "import_model",
    "report",
    "fetch",
    "split_video",
    "check_data",
    "render_scenes",
)
