"""What a model file says about itself besides its network and labels."""

from __future__ import annotations

from dataclasses import dataclass

from pi_classifier.setting import setting


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Name, version and origin of a model."""

    name: str = setting("model", "the model's name")
    version: str = setting("1", "the model's version")
    description: str = setting("", "what the model is for")
    author: str = setting("", "who made it")
    license: str = setting("", "what may be done with it")
