"""What training makes small: cross-entropy with labels, and with a teacher."""

from __future__ import annotations

from typing import Any

from pi_classifier_training.networks.network import Network, Outputs, as_list

LABEL_SMOOTHING = 0.1

# The temperature scores are softened with in distillation (Hinton et al. 2015).
TEMPERATURE = 2.0


def smoothed(targets: Any) -> Any:
    """One-hot `targets` ``[n, labels]`` with a little of every label (Szegedy et al. 2016)."""
    return targets * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / targets.shape[1]


def cross_entropy(targets: Any, logits: Any, weights: Any = 1.0) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(weights * tf.nn.softmax_cross_entropy_with_logits(targets, logits))


def distilled(scores: Any, logits: Any) -> Any:
    """Cross-entropy with teachers' softened scores, scaled as Hinton et al. do."""
    return TEMPERATURE**2 * cross_entropy(scores, logits / TEMPERATURE)


def hint_loss(ours: Any, theirs: Any) -> Any:
    """Mean squared difference, in units of the teacher's own variance."""
    import tensorflow as tf

    theirs = tf.stop_gradient(theirs)
    spread = tf.math.reduce_variance(theirs) + 1e-6
    return tf.reduce_mean(tf.square(ours - theirs)) / spread


def hint_adapters(student: Network, teacher: Network) -> list[Any]:
    """1×1 projections from the student's feature maps to the teacher's (FitNets)."""
    import keras

    ours, theirs = as_list(student.backbone.outputs), as_list(teacher.backbone.outputs)
    if len(ours) != len(theirs):  # different families: only the embeddings compare
        ours, theirs = ours[-1:], theirs[-1:]
    adapters = []
    for mine, target in zip(ours, theirs, strict=True):
        adapter = keras.layers.Dense(int(target.shape[-1]), use_bias=False)
        adapter.build(mine.shape)
        adapters.append(adapter)
    return adapters


def hints_missed(adapters: list[Any], student: Outputs, teacher: Outputs) -> Any:
    """How far the student's feature maps, projected, are from the teacher's."""
    ours, theirs = ([*outputs[0], outputs[1]][-len(adapters) :] for outputs in (student, teacher))
    triples = zip(adapters, ours, theirs, strict=True)
    return sum(hint_loss(adapter(mine), target) for adapter, mine, target in triples)
