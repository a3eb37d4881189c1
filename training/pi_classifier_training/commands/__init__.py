"""The commands of ``pi-classifier-train``, one module each, in the order ``--help`` shows.

Each has ``add(commands)``, which describes its arguments and sets ``run``. A command
module imports only light modules at its top: what it needs TensorFlow for is imported
when it runs, so that ``--help`` answers at once.
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
    "optimize",
    "import_model",
    "report",
    "fetch",
    "split_video",
    "check_data",
    "render_scenes",
)
