"""What training makes small: cross-entropy with labels, and with a teacher."""

from __future__ import annotations

from typing import Any

# The temperature scores are softened with in distillation (Hinton et al. 2015).
TEMPERATURE = 2.0


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
