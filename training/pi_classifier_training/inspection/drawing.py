"""A model's graph as a picture: Graphviz text, or an SVG drawn here.

The SVG stacks the operations in the order they run, in columns like a newspaper; a
darker box does more of the work. What does not come from the box above is drawn as a
line beside the column.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from pi_classifier.modelfile.costs import LayerCost, layers
from pi_classifier.modelfile.model_graph import ModelGraph

_BOX_WIDTH, _BOX_HEIGHT = 190, 34
_GAP = 14
_LANE = 9
_MARGIN, _TITLE = 24, 58
_COLUMN_GAP = 46
# Boxes of a column such that the page is about as high as A4 is to its width.
_PAGE_RATIO = 1.3
_HUES = {
    "CONV_2D": 210,
    "DEPTHWISE_CONV_2D": 165,
    "FULLY_CONNECTED": 265,
    "TRANSPOSE_CONV": 210,
    "ADD": 35,
    "CONCATENATION": 35,
}


def edges(graph: ModelGraph) -> list[tuple[int, int]]:
    """Which operation's output goes to which other one; −1 is the model's input."""
    makers = {i: n for n, o in enumerate(graph.operations) for i in o.outputs}
    makers.update(dict.fromkeys(graph.inputs, -1))
    return sorted(
        {
            (makers[i], n)
            for n, o in enumerate(graph.operations)
            for i in o.inputs
            if i in makers and makers[i] < n
        }
    )


def as_dot(graph: ModelGraph) -> str:
    """The graph in the language of Graphviz: ``dot -Tsvg graph.dot -o graph.svg``."""
    lines = ["digraph model {", "  rankdir=TB;", '  node [shape=box, fontname="sans-serif"];']
    lines += [
        f"  input_{i} [shape=ellipse, label={_quoted('input', graph, i)}];" for i in graph.inputs
    ]
    for layer in layers(graph):
        label = [layer.kind, _shape(layer.output)]
        label += [f"{layer.parameters:,} parameters"] if layer.parameters else []
        text = "\\n".join(part.replace('"', '\\"') for part in label)
        lines.append(f'  op_{layer.number} [label="{text}"];')
    for source, target in edges(graph):
        names = [f"op_{source}"]
        if source < 0:
            taken = graph.operations[target].inputs
            names = [f"input_{i}" for i in graph.inputs if i in taken]
        lines += [f"  {name} -> op_{target};" for name in names]
    makers = {i: n for n, o in enumerate(graph.operations) for i in o.outputs}
    for i in graph.outputs:
        lines.append(f"  output_{i} [shape=ellipse, label={_quoted('output', graph, i)}];")
        if i in makers:
            lines.append(f"  op_{makers[i]} -> output_{i};")
    return "\n".join([*lines, "}", ""])


def _quoted(role: str, graph: ModelGraph, tensor: int) -> str:
    shown = graph.tensors[tensor]
    return f'"{role}\\n{shown.dtype} {_shape(shown.shape)}"'


def _shape(shape: Sequence[int]) -> str:
    return "×".join(str(n) for n in shape)


def as_svg(graph: ModelGraph, title: str) -> str:
    """The graph as an SVG picture that fits a page; needs no other program."""
    costs = layers(graph)
    beside = [(a, b) for a, b in edges(graph) if b - a > 1]
    lanes = _lanes(beside)
    pitch = _BOX_WIDTH + _LANE * (max(lanes.values(), default=-1) + 1) + _COLUMN_GAP
    rows = _rows(len(costs) + 1, pitch)
    columns = -(-(len(costs) + 1) // rows)
    width = 2 * _MARGIN + columns * pitch - _COLUMN_GAP
    height = _TITLE + rows * (_BOX_HEIGHT + _GAP) + _MARGIN

    def place(number: int) -> tuple[int, int]:
        """Left top corner of a box; the input stands before operation 0."""
        column, row = divmod(number + 1, rows)
        return _MARGIN + column * pitch, _TITLE + row * (_BOX_HEIGHT + _GAP)

    body = [_box(*place(-1), 0, 0, "input", _input(graph))]
    busiest = max((cost.macs for cost in costs), default=0) or 1
    total = sum(cost.macs for cost in costs) or 1
    body += [_layer_box(cost, place(cost.number), busiest, total) for cost in costs]
    for a, b in edges(graph):
        lane = lanes.get((a, b))
        body.append(
            _step(place(a), place(b)) if lane is None else _beside(place(a), place(b), lane)
        )
    return "\n".join([*_head(width, height, title, costs), *body, "</svg>", ""])


def _rows(boxes: int, pitch: int) -> int:
    """How many boxes a column holds so that the page has the wanted shape."""
    rows = math.ceil(math.sqrt(boxes * _PAGE_RATIO * pitch / (_BOX_HEIGHT + _GAP)))
    columns = -(-boxes // max(1, rows))
    return -(-boxes // columns)


def _lanes(beside: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """A lane beside the column for every longer edge, so that no two lie on each other."""
    ends: list[int] = []
    lanes: dict[tuple[int, int], int] = {}
    for a, b in sorted(beside):
        lane = next((i for i, end in enumerate(ends) if end <= a), len(ends))
        ends[lane : lane + 1] = [b]
        lanes[a, b] = lane
    return lanes


def _head(width: int, height: int, title: str, costs: Sequence[LayerCost]) -> Iterator[str]:
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" font-family="sans-serif">'
    )
    yield (
        '<defs><marker id="tip" viewBox="0 0 6 6" refX="6" refY="3" markerWidth="6" '
        'markerHeight="6" orient="auto"><path d="M0 0L6 3L0 6z" fill="#555"/></marker></defs>'
    )
    yield f'<rect width="{width}" height="{height}" fill="#fff"/>'
    macs = sum(cost.macs for cost in costs) / 1e6
    parameters = sum(cost.parameters for cost in costs)
    yield f'<text x="{_MARGIN}" y="26" font-size="16" font-weight="bold">{escape(title)}</text>'
    yield (
        f'<text x="{_MARGIN}" y="44" font-size="11" fill="#555">{len(costs)} operations, '
        f"{macs:,.1f} million multiply-accumulates, {parameters:,} parameters</text>"
    )


def _input(graph: ModelGraph) -> str:
    tensors = (graph.tensors[i] for i in graph.inputs)
    return ", ".join(f"{_shape(t.shape)} {t.dtype}" for t in tensors)


def _layer_box(cost: LayerCost, corner: tuple[int, int], busiest: int, total: int) -> str:
    detail = _shape(cost.output)
    if cost.macs:
        detail += f"  ·  {cost.macs / total:.1%}"
    if cost.parameters:
        detail += f"  ·  {cost.parameters:,}"
    return _box(*corner, _HUES.get(cost.kind, 0), cost.macs / busiest, cost.kind, detail)


def _box(x: int, y: int, hue: int, share: float, title: str, detail: str) -> str:
    fill = f"hsl({hue} {60 if hue else 0}% {96 - 26 * share:.0f}%)"
    return (
        f'<rect x="{x}" y="{y}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="5" '
        f'fill="{fill}" stroke="#777"/>'
        f'<text x="{x + 8}" y="{y + 14}" font-size="11">{escape(title)}</text>'
        f'<text x="{x + 8}" y="{y + 27}" font-size="9.5" fill="#444">{escape(detail)}</text>'
    )


def _step(a: tuple[int, int], b: tuple[int, int]) -> str:
    """An arrow to the next box: down, or to the head of the next column."""
    middle = _BOX_WIDTH // 2
    if a[0] == b[0]:
        return _path(f"M{a[0] + middle} {a[1] + _BOX_HEIGHT}V{b[1]}")
    bottom, gutter = a[1] + _BOX_HEIGHT + _GAP // 2, b[0] - _COLUMN_GAP // 2
    return _path(
        f"M{a[0] + middle} {a[1] + _BOX_HEIGHT}V{bottom}H{gutter}V{b[1] - _GAP // 2}"
        f"H{b[0] + middle}V{b[1]}"
    )


def _beside(a: tuple[int, int], b: tuple[int, int], lane: int) -> str:
    """An arrow that passes other boxes in a lane to the right of the column.

    It leaves below the middle and arrives above, so that two in a row stay two. To
    another column it goes in the gap before that column.
    """
    start, end = a[1] + _BOX_HEIGHT // 2 + 5, b[1] + _BOX_HEIGHT // 2 - 5
    if a[0] == b[0]:
        at = a[0] + _BOX_WIDTH + _LANE * (lane + 1)
        return _path(f"M{a[0] + _BOX_WIDTH} {start}H{at}V{end}H{b[0] + _BOX_WIDTH}")
    at = b[0] - _COLUMN_GAP // 2 + 5 + 4 * lane
    return _path(f"M{a[0] + _BOX_WIDTH} {start}H{at}V{end}H{b[0]}")


def _path(steps: str) -> str:
    return f'<path d="{steps}" fill="none" stroke="#555" marker-end="url(#tip)"/>'
