"""Make model files smaller or faster, and measure what that costs and brings."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_classifier.config.options import add_options, read_options
from pi_classifier_training.commands.arguments import (
    add_image_dir,
    add_json,
    add_output,
    add_source,
    path_of,
    print_lines,
    require_folder,
)

if TYPE_CHECKING:
    from pi_classifier_training.export.folding_gain import FoldingGain


def add(commands: Any) -> None:
    """Name the commands; their arguments are added when one is used."""
    commands.add_parser(
        "quantize",
        help="write a run or a float model in 8 or 16 bits and compare it with the floats",
        describe=_describe_quantize,
    ).set_defaults(run=_quantize, starts_tensorflow=True)
    commands.add_parser(
        "round",
        help="round a float model's weights so that it compresses",
        describe=_describe_round,
    ).set_defaults(run=_round)
    commands.add_parser(
        "measure-folding",
        help="measure what folding batch norms into convolutions brings",
        description="Compare a trained network as it stands with the model file that is "
        "delivered: operations, size, time, and that the scores are the same.",
        describe=_describe_measure_folding,
    ).set_defaults(run=_measure_folding, starts_tensorflow=True)


def _describe_quantize(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.compression.quantization import QuantizeOptions
    from pi_classifier_training.compression.quantization_aware import AwareOptions

    add_source(parser)
    add_image_dir(parser)
    add_output(
        parser, "OUT.tflite", "the file to write (default: RUN/MODE.tflite, MODEL-MODE.tflite)"
    )
    add_options(parser, QuantizeOptions)
    add_options(parser.add_argument_group("quantization-aware training"), AwareOptions)
    add_json(parser)


def _quantize(options: argparse.Namespace) -> int:
    from pi_classifier_training.compression.quantization import QuantizeOptions, quantize
    from pi_classifier_training.compression.quantization_aware import AwareOptions
    from pi_classifier_training.compression.quantization_text import quantized_lines
    from pi_classifier_training.data.splits import SplitOptions
    from pi_classifier_training.retraining.run_folder import held_source

    training = read_options(options, AwareOptions)
    splits = read_options(options, SplitOptions)
    with held_source(options.source):
        result = quantize(
            options.source,
            options.image_dir,
            read_options(options, QuantizeOptions, training=training, splits=splits),
            options.output,
        )
    if options.json:
        print(json.dumps(result.as_dict()))
        return 0
    return print_lines(quantized_lines(result))


def _describe_round(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.compression.rounding.delivery import RoundOptions

    parser.add_argument("model", type=path_of, metavar="IN.tflite", help="a float model file")
    parser.add_argument("output", type=path_of, metavar="OUT.tflite")
    add_image_dir(parser, required=False)
    add_options(parser, RoundOptions, exclusive=("saving", "target_loss", "levels"))


def _round(options: argparse.Namespace) -> int:
    from pi_classifier_training.compression.rounding.delivery import RoundOptions, round_model
    from pi_classifier_training.data.splits import SplitOptions

    require_folder(options.output)
    choices = read_options(options, RoundOptions, splits=read_options(options, SplitOptions))
    return print_lines(round_model(options.model, options.output, options.image_dir, choices))


def _describe_measure_folding(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.export.folding_gain import FoldingOptions

    parser.add_argument("run_dir", type=path_of, metavar="RUN", help="output folder of retrain")
    add_image_dir(parser)
    add_options(parser, FoldingOptions)
    add_json(parser)


def _measure_folding(options: argparse.Namespace) -> int:
    from pi_classifier.preprocessing.preprocessor import Preprocessor
    from pi_classifier_training.data.dataset import decode, labels_of, scan
    from pi_classifier_training.data.splits import SplitOptions
    from pi_classifier_training.errors import DatasetError, TrainingError
    from pi_classifier_training.export.folding_gain import FoldingOptions, measure_folding
    from pi_classifier_training.progress import with_progress
    from pi_classifier_training.retraining.run_folder import RunFolder

    if options.run_dir.is_file():
        raise TrainingError(
            f"{options.run_dir}: its batch norms were folded when it was converted, and nothing "
            "of them is left to measure; give the output folder of retrain"
        )
    run = RunFolder(options.run_dir)
    network = run.load()
    side = network.spec.resolution
    rule = run.split_rule(read_options(options, SplitOptions))
    photos = [photo for photo in scan(options.image_dir, rule) if photo.split == "test"]
    preprocess = Preprocessor((side, side), run.summary()["options"]["resize"])
    reading = partial(with_progress, "reading photos")
    images = decode(photos, labels_of(photos), preprocess, side, reading)
    if not len(images):
        raise DatasetError("no photo of the test split (about one in ten) can be read; give more")
    delivered = options.run_dir / "float32.tflite"
    result = measure_folding(
        network,
        images,
        read_options(options, FoldingOptions),
        delivered if delivered.is_file() else None,
        lambda turns: iter(with_progress("taking the time", turns)),
    )
    if options.json:
        print(json.dumps(result.as_dict(), indent=1))
        return 0
    return print_lines(_folding_lines(options.run_dir, result))


def _folding_lines(run_dir: Path, result: FoldingGain) -> Iterator[str]:
    before, after = result.before, result.after
    yield f"{run_dir}: float32, {result.photos} photos of the test split"
    yield f"{'':24}{'as it stands':>14}{'delivered':>14}"
    totals = sum(before.operations.values()), sum(after.operations.values())
    yield f"{'operations':24}{totals[0]:14}{totals[1]:14}"
    for kind in sorted({*before.operations, *after.operations}):
        counts = before.operations.get(kind, 0), after.operations.get(kind, 0)
        yield f"  {kind.lower():22}{counts[0]:14}{counts[1]:14}"
    sizes = [f"{f.size_bytes / 1000:.0f} kB" for f in (before, after)]
    yield f"{'size':24}{sizes[0]:>14}{sizes[1]:>14}"
    times = [f"{f.median_ms:.2f} ms" for f in (before, after)]
    yield f"{'time of a photo (median)':24}{times[0]:>14}{times[1]:>14}"
    low, high = (100 * (1 - r) for r in reversed(result.time_ratio_quartiles))
    yield (
        f"Folding the batch norms saves {100 * (1 - result.time_ratio):.0f} % of the time "
        f"(half of {result.rounds} rounds: {low:.0f} to {high:.0f} %)."
    )
    yield f"The scores differ by {result.largest_difference:.1e} at most: equal to five decimals."
    yield (
        f"{result.training_only_nodes} of the training graph's {result.training_nodes} nodes "
        "serve only training; neither file has them."
    )
    share = max(0.0, 100 * result.normalization_share)
    yield f"Normalizing the pixels inside the graph takes about {share:.0f} % of the time."
