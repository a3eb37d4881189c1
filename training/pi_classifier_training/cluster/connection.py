"""A cluster of Ray: found, joined, and every node of it looked at."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

# Before Ray is imported, which reads them then. No statistics go to its makers; and a machine
# without a node is told so at once, not after a minute.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_gcs_server_request_timeout_seconds", "10")

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pi_classifier.system.python_child import run_to_end
from pi_classifier_training.errors import ClusterError, TrainingError

_ADDRESS = re.compile(r"auto|[^\s:/]+:\d{1,5}")
# More make a small network hardly quicker; two tasks beside each other do.
_MOST_PROCESSORS = 4
_CONNECT_LIMIT_S = 4.0
# The child has Ray to import first, which takes seconds on a busy machine.
_ANSWER_LIMIT_S = 25.0
_NODE_LIMIT_S = 120.0
# What decides the pixels and the numbers made of them.
_COMPARED = ("pi-classifier", "pi-classifier-training", "tensorflow", "pillow")


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster: Ray's name for it, its address and its processors."""

    name: str
    address: str
    processors: int

    def affinity(self) -> Any:
        """Ray's word for: there, and nowhere else."""
        return NodeAffinitySchedulingStrategy(self.name, soft=False)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The machines of a cluster this process has joined; the first is the one it runs on."""

    nodes: tuple[Node, ...]

    @property
    def here(self) -> Node:
        """The node on this machine."""
        return self.nodes[0]

    @property
    def processors(self) -> int:
        """How many a task is given: all of the smallest node, and no more than it can use."""
        able = [node.processors for node in self.nodes if node.processors]
        return min([_MOST_PROCESSORS, *able])

    @property
    def slots(self) -> int:
        """How many tasks run at the same time."""
        return max(1, sum(node.processors // self.processors for node in self.nodes))


@contextlib.contextmanager
def joined(address: str) -> Iterator[Cluster]:
    """Join the cluster at `address`, HOST:PORT or ``auto``; leave it at the end.

    Raises TrainingError for no address or a node with other versions, ClusterError
    where no cluster answers.
    """
    _require_answer(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, namespace=None)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"--ray {address}: this machine cannot join the cluster ({_first_line(error)}); it "
            "must be one of its nodes: start Ray here first, 'ray start --address=HEAD:6379'"
        ) from error
    try:
        nodes = _nodes()
        require_same(nodes)
        yield Cluster(nodes)
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Ask for the cluster in a child, which can be ended: Ray itself tries for minutes."""
    if not _ADDRESS.fullmatch(address):
        raise TrainingError(
            f"--ray {address}: is not the address of a cluster; expected 'auto', or HOST:PORT as "
            "'ray start --head' prints it, for example 192.168.1.10:6379"
        )
    refused = ClusterError(
        f"--ray {address}: no cluster of Ray answers there; start one on its first machine, 'ray "
        "start --head', and join it with every other, 'ray start --address=HEAD:6379'. "
        "If one runs, look at the firewall, and at RAY_AUTH_MODE where it wants a token"
    )
    where: tuple[str, ...] = ()
    if address != "auto":
        where = ("--address", address)
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), _CONNECT_LIMIT_S).close()
        except (OSError, OverflowError):
            raise refused from None
    command = (sys.executable, "-m", "ray.scripts.scripts", "health-check", *where)
    ended = run_to_end(command, b"", _ANSWER_LIMIT_S)
    if ended.code == 0:
        return
    said = "\n".join(ended.last_lines)
    if "ersion" in said and "mismatch" in said.lower():
        raise TrainingError(
            f"--ray {address}: the cluster runs another version of Ray or Python than this "
            f"machine ({ended.last_lines[-1].strip()}); install the same on all"
        )
    raise refused


def _nodes() -> tuple[Node, ...]:
    here = ray.get_runtime_context().get_node_id()
    alive = [
        Node(node["NodeID"], node["NodeManagerAddress"], int(node["Resources"].get("CPU", 0)))
        for node in ray.nodes()
        if node["Alive"]
    ]
    return tuple(sorted(alive, key=lambda node: (node.name != here, node.address)))


def require_same(nodes: Sequence[Node]) -> None:
    """Refuse nodes that would compute something else, or nothing at all.

    Raises TrainingError naming the versions that differ, ClusterError for a node that fails.
    """

    # Inside a function, so that Ray sends its text: a node may lack this package.
    def installed(names: tuple[str, ...]) -> dict[str, str]:
        from importlib.metadata import PackageNotFoundError, version

        versions = {}
        for name in names:
            for distribution in (name, f"{name}-cpu"):
                with contextlib.suppress(PackageNotFoundError):
                    versions[name] = version(distribution)
        return versions

    own = installed(_COMPARED)
    asked = ray.remote(num_cpus=0)(installed)
    answers = [asked.options(scheduling_strategy=n.affinity()).remote(_COMPARED) for n in nodes]
    wrong = []
    for node, answer in zip(nodes, answers, strict=True):
        try:
            theirs = ray.get(answer, timeout=_NODE_LIMIT_S)
        except ray.exceptions.RayError as error:
            raise ClusterError(
                f"node {node.address}: does not do what it is asked ({_first_line(error)}); look "
                "at 'ray status', and start Ray anew there"
            ) from error
        wrong += [
            f"node {node.address} has {name} {theirs.get(name, 'not installed')}, here it is {has}"
            for name, has in own.items()
            if theirs.get(name) != has
        ]
    if wrong:
        raise TrainingError(f"{'; '.join(wrong)}; install the same versions on every node")


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or repr(error)).splitlines()[0]
