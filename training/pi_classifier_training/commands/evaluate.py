"""Say how good models are: one, several beside each other, or a run as a page."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from pi_classifier.config.options import add_options, read_options
from pi_classifier.printable import json_text
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
    from pi_classifier_training.evaluation.evaluate import EvaluationOptions


# Neither 1, by which --fail-if-worse says that a model is worse, nor 2, argparse's.
EXIT_OTHER_LABELS = 3


def add(commands: Any) -> None:
    """Name the commands; their arguments are added when one is used."""
    commands.add_parser(
        "evaluate",
        help="measure a model file or cascade on photos, through the daemon's own code",
        describe=_describe_evaluate,
    ).set_defaults(run=_evaluate)
    commands.add_parser(
        "compare",
        help="measure several models on the same photos: is one really better?",
        description="Measure several models on the same photos. Where their labels differ, "
        "photos of the labels that all know are taken, and the exit code is 3.",
        describe=_describe_compare,
    ).set_defaults(run=_compare)
    commands.add_parser(
        "report",
        help="write one page: how good the model is, what it confuses, what to copy",
        describe=_describe_report,
    ).set_defaults(run=_report, starts_tensorflow=True)


def _describe_evaluate(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.evaluation.evaluate import EvaluationOptions

    parser.add_argument(
        "model", metavar="MODEL", help="a .tflite file, a cascade.toml or its folder"
    )
    add_image_dir(parser)
    add_options(parser, EvaluationOptions)
    parser.add_argument(
        "--plot",
        type=path_of,
        metavar="FILE",
        help="with --unknown, picture (.svg, .png) of true and false announcements at every "
        "threshold",
    )
    parser.add_argument(
        "--most-false",
        type=_points,
        metavar="PERCENT",
        help="with --unknown, exit code 1 if more than PERCENT of those photos are announced",
    )
    add_json(parser, "print the record as one JSON object")


def _evaluate(options: argparse.Namespace) -> int:
    from pi_classifier_training.evaluation.evaluate import evaluate
    from pi_classifier_training.evaluation.false_announcements import plot_announcements
    from pi_classifier_training.evaluation.report_text import evaluation_lines
    from pi_classifier_training.plots import require_picture_name
    from pi_classifier_training.progress import with_progress

    choices = _choices(options)
    if choices.per_photo and not options.json:
        options.parser.error("--per-photo is for programs: add --json (--mistakes is for people)")
    if not choices.unknown and (options.plot is not None or options.most_false is not None):
        options.parser.error("--plot and --most-false need photos of nothing: --unknown DIR")
    require_folder(options.plot)
    if options.plot is not None:
        require_picture_name(options.plot)
    record = evaluate(
        options.model,
        options.image_dir,
        choices,
        progress=lambda photos: with_progress("classifying", photos),
    )
    if options.json:
        print(json_text(record))
    else:
        print_lines(evaluation_lines(record))
    if options.plot is not None:
        plot_announcements(options.plot, record["model"], record["unknown"])
    if options.most_false is None or 100 * record["unknown"]["share"] <= options.most_false:
        return 0
    print(
        f"{record['unknown']['share']:.1%} of the photos of nothing are announced, more than "
        f"{options.most_false:g} %",
        file=sys.stderr,
    )
    return 1


def _choices(options: argparse.Namespace) -> EvaluationOptions:
    from pi_classifier_training.data.splits import SplitOptions
    from pi_classifier_training.evaluation.evaluate import EvaluationOptions

    return read_options(options, EvaluationOptions, splits=read_options(options, SplitOptions))


def _describe_compare(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.evaluation.evaluate import EvaluationOptions

    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="the one to compare with, then the others"
    )
    add_image_dir(parser)
    add_options(parser, EvaluationOptions, ("split", "labels", "map", "unknown", "threshold"))
    parser.add_argument(
        "--fail-if-worse",
        nargs="?",
        type=_points,
        const=None,
        default=False,
        metavar="POINTS",
        help="exit code 1 if another model's top-1 is more than POINTS percentage points below "
        "the first's; without POINTS, if it is lower by more than chance explains",
    )
    add_json(parser, "print the records as one JSON list")


def _points(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 0 to 100")
    return value


def _compare(options: argparse.Namespace) -> int:
    from pi_classifier_training.evaluation.compare import (
        compare,
        comparison_lines,
        labels_differ,
        worse,
    )
    from pi_classifier_training.progress import with_progress

    records = compare(
        options.models,
        options.image_dir,
        _choices(options),
        lambda photos: with_progress("classifying", photos),
    )
    if options.json:
        print(json_text(records))
    else:
        print_lines(comparison_lines(records))
    files = []
    if options.fail_if_worse is not False:
        files = worse(records, options.fail_if_worse)
    for file in files:
        print(f"{file} is worse than {options.models[0]}", file=sys.stderr)
    if files:
        return 1
    return EXIT_OTHER_LABELS if labels_differ(records) else 0


def _describe_report(parser: argparse.ArgumentParser) -> None:
    from pi_classifier_training.reporting.subject import ReportOptions

    add_source(parser, "a .tflite file, with the MODEL-*.tflite beside it")
    add_image_dir(parser)
    add_output(parser, "FILE", "the page (default: RUN/report.html, MODEL-report.html)")
    add_options(parser, ReportOptions)


def _report(options: argparse.Namespace) -> int:
    from pi_classifier_training.data.splits import SplitOptions
    from pi_classifier_training.reporting.report import write_report
    from pi_classifier_training.reporting.subject import ReportOptions

    require_folder(options.output)
    splits = read_options(options, SplitOptions)
    choices = read_options(options, ReportOptions, splits=splits)
    report = write_report(options.source, options.image_dir, options.output, choices)
    print_lines(report.in_short)
    print(f"{report.path}: open it in a browser ({report.path.stat().st_size / 1000:.0f} kB)")
    return 0
