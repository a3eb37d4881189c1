"""Several machines: two nodes of Ray, of which the second sees neither photos nor weights."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import PIL
import pytest
import yaml
from jsonschema import ValidationError
from pi_classifier_training.cli import main
from pi_classifier_training.cluster.connection import Cluster, joined, require_same
from pi_classifier_training.cluster.features import ComputedByCluster
from pi_classifier_training.cluster.trials import RayExecutor
from pi_classifier_training.data.dataset import scan
from pi_classifier_training.errors import ClusterError, TrainingError
from pi_classifier_training.features.bottlenecks import BottleneckCache
from pi_classifier_training.networks.network import Network, NetworkSpec
from pi_classifier_training.networks.published import published_network
from pi_classifier_training.search.executor import SerialExecutor
from pi_classifier_training.search.trials import TrialResult, TrialSpec

from tests.training.conftest import PHOTOS, draw_photos
from tests.training.two_nodes import TwoNodes, two_nodes

EXAMPLE = Path(__file__).parents[2] / "docs/training/cluster.yaml"
NETWORK = NetworkSpec("mobilenet_v1", 0.25, 96)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos and weights, in a folder that only this machine sees."""
    folder = tmp_path_factory.mktemp("here")
    draw_photos(folder / "discs")
    (folder / "discs/cyan/damaged.png").write_bytes(b"no photo")
    published_network(NETWORK, None).save_weights(folder / "small.weights.h5")
    return folder


@pytest.fixture(scope="module")
def nodes(here: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    with two_nodes(here, tmp_path_factory.mktemp("caches")) as started:
        yield started


@pytest.fixture(scope="module")
def cluster(nodes: TwoNodes) -> Iterator[Cluster]:
    with joined(nodes.address) as found:
        yield found


@pytest.fixture(scope="module")
def executor(cluster: Cluster) -> Iterator[RayExecutor]:
    with RayExecutor(cluster) as executor:
        yield executor


def trials(here: Path, folder: Path) -> list[TrialSpec]:
    """A trial for each node."""
    return [
        TrialSpec(
            f"head on {size}",
            NETWORK,
            str(here / "small.weights.h5"),
            (str(here / "discs"),),
            str(folder / f"trial-{size}"),
            photos=size,
        )
        for size in (30, 60)
    ]


def assert_same(made: list[TrialResult], expected: list[TrialResult]) -> None:
    found = {result.name: result for result in made}
    assert found.keys() == {result.name for result in expected}
    for result in expected:
        other = found[result.name]
        assert (other.accuracy, other.cross_entropy) == (result.accuracy, result.cross_entropy)
        assert np.array_equal(other.scores()[0], result.scores()[0])
        assert np.array_equal(other.scores()[1], result.scores()[1])


def test_both_nodes_are_found_the_own_first(cluster: Cluster) -> None:
    assert [node.address for node in cluster.nodes] == ["127.0.0.2", "127.0.0.3"]
    assert (cluster.processors, cluster.slots) == (1, 2)


@pytest.mark.parametrize(
    ("address", "told", "code"),
    [
        ("ray://127.0.0.1:10001", "is not the address of a cluster", 78),
        ("127.0.0.1", "is not the address of a cluster", 78),
        ("127.0.0.1:1", "no cluster of Ray answers there", 74),
        ("127.0.0.1:99999", "no cluster of Ray answers there", 74),
    ],
)
def test_an_address_without_a_cluster_is_told_at_once(
    address: str, told: str, code: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    options = ["--image-dir", str(tmp_path), "--output-dir", str(tmp_path / "run")]
    assert main(["retrain", *options, "--ray", address]) == code
    assert f"--ray {address}: {told}" in capsys.readouterr().err


def test_the_example_of_a_cluster_is_one_that_ray_takes() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    example = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    validate_config(prepare_config(example))
    with pytest.raises(ValidationError):
        validate_config(prepare_config({**example, "worker_ip": "192.168.1.11"}))


def test_a_server_that_is_none_of_ray_s_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pi_classifier_training.cluster.connection._ANSWER_LIMIT_S", 4.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(ClusterError, match="no cluster of Ray answers there"), joined(address):
            pass


def test_a_node_with_other_versions_is_named(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pillow-0.1.dist-info").mkdir()
    (tmp_path / "pillow-0.1.dist-info/METADATA").write_text("Name: pillow\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(TrainingError) as caught:
        require_same(cluster.nodes)
    assert f"node 127.0.0.3 has pillow {PIL.__version__}, here it is 0.1" in str(caught.value)
    assert str(caught.value).endswith("install the same versions on every node")


def test_features_of_a_cluster_are_those_of_one_machine(
    cluster: Cluster, here: Path, tmp_path: Path
) -> None:
    photos = scan([here / "discs"])
    network = Network(NETWORK, ("cyan", "magenta", "yellow"))
    made = []
    for name, compute in (("one", None), ("two", ComputedByCluster(cluster))):
        with BottleneckCache(tmp_path / name, compute) as cache:
            found = cache.features(
                network, "crop", photos, cache.contents(photos), mirrored=True, title=name
            )
            made.append((found.gather(np.arange(len(found))), found.unreadable))
    assert np.array_equal(made[0][0], made[1][0])
    assert made[0][1] == made[1][1]
    assert "damaged.png" in made[0][1][0]


@pytest.fixture(scope="module")
def expected(here: Path, tmp_path_factory: pytest.TempPathFactory) -> list[TrialResult]:
    """What one machine makes of the trials."""
    return list(SerialExecutor().run(trials(here, tmp_path_factory.mktemp("serial"))))


def test_trials_on_two_machines_leave_what_they_leave_on_one(
    executor: RayExecutor,
    nodes: TwoNodes,
    here: Path,
    tmp_path: Path,
    expected: list[TrialResult],
) -> None:
    assert executor.slots == 2
    assert_same(list(executor.run(trials(here, tmp_path))), expected)
    # The second node had to have the photos sent.
    copies = list((nodes.second_cache / "photos").glob("*/discs/*/*.png"))
    assert len(copies) == PHOTOS + 1
    assert list((nodes.second_cache / "trials").iterdir()) == []


def test_the_trials_of_a_killed_node_are_taken_over(
    executor: RayExecutor,
    nodes: TwoNodes,
    here: Path,
    tmp_path: Path,
    expected: list[TrialResult],
) -> None:
    def kill_when_busy() -> None:
        while not list(nodes.second_cache.glob("trials/*")):
            time.sleep(0.05)
        nodes.kill_second()

    killing = threading.Thread(target=kill_when_busy, daemon=True)
    killing.start()
    made = list(executor.run(trials(here, tmp_path)))
    killing.join(60)
    assert nodes.second.poll() is not None
    assert_same(made, expected)
