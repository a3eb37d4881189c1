"""Operations are called what TFLite's schema calls them."""

from __future__ import annotations

from ai_edge_litert.schema_py_generated import BuiltinOperator

from tests.unit.pi_classifier_training.small_graphs import Network

KINDS = {name: code for name, code in vars(BuiltinOperator).items() if isinstance(code, int)}


def test_every_kind_has_the_name_of_the_schema() -> None:
    network = Network()
    x = network.input(1)
    for kind in sorted(KINDS):
        network.operation(kind, [x], (1,))
    network.operation("OF_MY_OWN", [x], (1,))
    found = [operation.kind for operation in network.graph().operations]
    assert len(KINDS) > 200
    assert found == [*sorted(KINDS), "OF_MY_OWN"]
