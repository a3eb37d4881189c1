"""Write a finished run as a smaller file and say what that costs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pi_classifier_training.commands.arguments import above_zero, add_image_dir, positive

MODES = ("dynamic", "float16", "int8", "qat")


def add(commands: Any) -> None:
    """Describe the command's arguments."""
    p = commands.add_parser(
        "quantize", help="write a run in 8 or 16 bits and compare it with the float network"
    )
    p.set_defaults(run=_run)
    p.add_argument("run_dir", type=Path, metavar="RUN", help="output folder of retrain")
    p.add_argument(
        "--mode",
        choices=MODES,
        default="int8",
        help="int8: all in 8 bits (default); qat: the same, trained for it; dynamic: only the "
        "weights in 8 bits; float16: the weights in 16 bits",
    )
    add_image_dir(p)
    p.add_argument(
        "-o", "--output", type=Path, metavar="OUT.tflite", help="(default: RUN/MODE.tflite)"
    )
    p.add_argument(
        "--layers", action="store_true", help="also say layer by layer what quantization does"
    )
    p.add_argument("--epochs", type=positive, default=1, help="of --mode qat (1)")
    p.add_argument("--rate", type=above_zero, default=1e-4, help="learning rate of qat (0.0001)")
    p.add_argument("--batch", type=positive, default=32, help="photos a step of qat (32)")
    p.add_argument("--seed", type=int, default=1, help="of qat (1)")
    p.add_argument("--json", action="store_true", help="print one JSON object")


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.compression.quantization import QuantizeOptions, quantize
    from pi_classifier_training.compression.quantization_aware import AwareOptions
    from pi_classifier_training.compression.quantization_text import quantized_lines

    training = AwareOptions(options.epochs, options.rate, options.batch, options.seed)
    result = quantize(
        options.run_dir,
        options.image_dir,
        QuantizeOptions(options.mode, options.layers, training),
        options.output,
    )
    if options.json:
        print(json.dumps(result.as_dict()))
    else:
        print("\n".join(quantized_lines(result)))
    return 0
