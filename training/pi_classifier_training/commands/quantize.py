"""Write a finished run as a smaller file and say what that costs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pi_classifier.config.options import add_options, read_options
from pi_classifier_training.commands.arguments import (
    add_image_dir,
    add_json,
    add_output,
    print_lines,
)


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "quantize",
        help="write a run in 8 or 16 bits and compare it with the float network",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.compression.quantization import QuantizeOptions
    from pi_classifier_training.compression.quantization_aware import AwareOptions

    parser.add_argument("run_dir", type=Path, metavar="RUN", help="output folder of retrain")
    add_image_dir(parser)
    add_output(parser, "OUT.tflite", "the file to write (default: RUN/MODE.tflite)")
    add_options(parser, QuantizeOptions)
    add_options(parser.add_argument_group("quantization-aware training"), AwareOptions)
    add_json(parser)


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.compression.quantization import QuantizeOptions, quantize
    from pi_classifier_training.compression.quantization_aware import AwareOptions
    from pi_classifier_training.compression.quantization_text import quantized_lines

    training = read_options(options, AwareOptions)
    result = quantize(
        options.run_dir,
        options.image_dir,
        read_options(options, QuantizeOptions, training=training),
        options.output,
    )
    if options.json:
        print(json.dumps(result.as_dict()))
        return 0
    return print_lines(quantized_lines(result))
