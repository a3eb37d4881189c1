"""What training makes small: cross-entropy with labels, and with a teacher."""

from __future__ import annotations

from typing import Any

from training.networks.network import Taught

# The temperature scores are softened with in distillation (Hinton et al. 2015).
TEACHER_TEMPERATURE = 2.0


def cross_entropy(targets: Any, logits: Any, weights: Any = 1.0) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(weights * tf.nn.softmax_cross_entropy_with_logits(targets, logits))


def distilled(taught: Taught, logits: Any) -> Any:
    """Cross-entropy with the teacher's softened scores, scaled as Hinton et al. do."""
    import tensorflow as tf

    scores = tf.nn.softmax(taught[2] / TEACHER_TEMPERATURE)
    softened = cross_entropy(scores, logits / TEACHER_TEMPERATURE)
    return TEACHER_TEMPERATURE**2 * softened


def hint_loss(ours: Any, theirs: Any) -> Any:
    """Mean squared difference, in units of the teacher's own variance."""
    import tensorflow as tf

    theirs = tf.stop_gradient(theirs)
    spread = tf.math.reduce_variance(theirs) + 1e-6
    return tf.reduce_mean(tf.square(ours - theirs)) / spread
