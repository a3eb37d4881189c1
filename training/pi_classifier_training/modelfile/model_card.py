"""What a model file says about itself besides its network and labels."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Name, version and origin of a model."""

    name: str = "model"
    version: str = "1"
    description: str = ""
    author: str = ""
    license: str = ""
