"""What is published of the networks: how good on ImageNet, and how much work a picture is.

Nothing here says what a network is worth on other photos; but which of two is better there is
as a rule better elsewhere (Kornblith et al. 2019, "Do better ImageNet models transfer better?").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pi_classifier_training.networks.spec import NetworkSpec


@dataclass(frozen=True, slots=True)
class Published:
    """A network at 224 pixels: right answers on ImageNet from 0 to 1, and 10⁶ MACs a picture.

    Sources: Howard et al. 2017 (tables 6 and 7), Sandler et al. 2018, Howard et al. 2019, and the
    tables of Keras' applications.
    """

    top1: float
    mmacs: float


PUBLISHED: Mapping[tuple[str, float], Published] = {
    ("mobilenet_v1", 0.25): Published(0.506, 41),
    ("mobilenet_v1", 0.5): Published(0.637, 149),
    ("mobilenet_v1", 0.75): Published(0.684, 325),
    ("mobilenet_v1", 1.0): Published(0.706, 569),
    ("mobilenet_v2", 0.35): Published(0.603, 59),
    ("mobilenet_v2", 0.5): Published(0.654, 97),
    ("mobilenet_v2", 0.75): Published(0.698, 209),
    ("mobilenet_v2", 1.0): Published(0.718, 300),
    ("mobilenet_v2", 1.3): Published(0.744, 509),
    ("mobilenet_v2", 1.4): Published(0.750, 582),
    ("mobilenet_v3_small", 0.75): Published(0.654, 44),
    ("mobilenet_v3_small", 1.0): Published(0.681, 66),
    ("mobilenet_v3_large", 0.75): Published(0.733, 155),
    ("mobilenet_v3_large", 1.0): Published(0.756, 217),
    ("efficientnet_lite0", 1.0): Published(0.751, 385),
    ("efficientnet_v2_b0", 1.0): Published(0.787, 720),
    ("inception_v3", 1.0): Published(0.779, 3_200),
}
# What ImageNet's accuracy loses from 224 pixels down: the mean of MobileNet v1's four widths.
LOST_AT: Mapping[int, float] = {96: 0.12, 128: 0.075, 160: 0.035, 192: 0.015, 224: 0.0, 299: 0.0}


def imagenet_top1(network: NetworkSpec) -> float:
    """About how many of ImageNet's photos a network names rightly, from 0 to 1."""
    return PUBLISHED[network.name, network.width].top1 - LOST_AT[network.resolution]


def mmacs(network: NetworkSpec) -> float:
    """About how many million multiply-accumulates a network takes for one picture."""
    return PUBLISHED[network.name, network.width].mmacs * (network.resolution / 224) ** 2
