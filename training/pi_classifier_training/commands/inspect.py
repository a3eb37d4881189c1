"""Show what is inside a model file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pi_classifier.printable import json_text
from pi_classifier_training.commands.arguments import (
    add_json,
    path_of,
    print_lines,
    require_folder,
)


def add(commands: Any) -> None:
    """Describe the command; its arguments are added when it is used."""
    commands.add_parser(
        "inspect",
        help="show what is inside a model: operations, size, work, memory, time",
        describe=_describe,
    ).set_defaults(run=_run)


def _describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="any .tflite file, a cascade.toml or its folder; or what import takes",
    )
    add_json(parser, "everything as one JSON object")
    parser.add_argument("--layers", action="store_true", help="every layer, not only the heaviest")
    parser.add_argument("--dot", type=path_of, metavar="FILE", help="write the graph for Graphviz")
    parser.add_argument("--picture", type=path_of, metavar="FILE.svg", help="draw the graph")
    parser.add_argument(
        "--trust", action="store_true", help="read it unconfined where that cannot be had"
    )


def _run(options: argparse.Namespace) -> int:
    from pi_classifier_training.inspection.text import description_lines, inspection_lines

    record = _record(options)
    if options.dot is not None or options.picture is not None:
        _draw(options, record)
    if options.json:
        print(json_text(record))
        return 0
    if "format" in record:
        return print_lines(description_lines(record))
    return print_lines(inspection_lines(record, every_layer=options.layers))


def _record(options: argparse.Namespace) -> dict[str, Any]:
    from pi_classifier_training.importing.confined import describe_confined
    from pi_classifier_training.importing.sources import is_foreign, opened
    from pi_classifier_training.inspection.inspect import inspect

    source = path_of(options.model)
    if not is_foreign(source):
        return inspect(options.model)
    with opened(source) as recognized:
        if recognized.format == "tflite":
            return inspect(str(recognized.path)) | {"file": str(source)}
        return describe_confined(recognized, trusted=options.trust) | {"file": str(source)}


def _draw(options: argparse.Namespace, record: dict[str, Any]) -> None:
    from pi_classifier.system.files import write_atomic
    from pi_classifier_training.errors import ExportError
    from pi_classifier_training.inspection.drawing import as_dot, as_svg
    from pi_classifier_training.inspection.inspect import read_graph_file

    if "format" in record:
        raise ExportError(
            f"{record['file']}: only a .tflite file is drawn; import it, then inspect that"
        )
    if "stages" in record:
        names = ", ".join(stage["file"] for stage in record["stages"])
        raise ExportError(f"a cascade has several graphs; name one of its models: {names}")
    for path in (options.dot, options.picture):
        require_folder(path)
    _, graph = read_graph_file(Path(record["file"]))
    if options.dot is not None:
        write_atomic(options.dot, as_dot(graph).encode())
    if options.picture is not None:
        if options.picture.suffix.lower() != ".svg":
            raise ExportError(
                f"--picture {options.picture}: the picture is an SVG file; name it "
                f"{options.picture.with_suffix('.svg').name}"
            )
        write_atomic(options.picture, as_svg(graph, Path(record["file"]).name).encode())
