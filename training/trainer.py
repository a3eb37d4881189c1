"""Training: a head on frozen features, a whole network, or a student of a teacher."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.augmentation import augment, min_crop_area
from training.dataset import Images
from training.errors import TrainingError
from training.networks import NetworkSpec, build_backbone, build_head
from training.progress import Progress

if TYPE_CHECKING:
    import keras

LABEL_SMOOTHING = 0.1
# Distillation (Hinton et al. 2015): the share of the teacher's soft scores in the loss
# and the temperature they are softened with.
TEACHER_SHARE = 0.7
TEACHER_TEMPERATURE = 2.0
HEAD_EPOCHS = 60
HEAD_RATE = 3e-3
WARM_UP_SHARE = 0.05
# Weights are averaged over about this share of all steps.
AVERAGED_SHARE = 0.05
LARGEST_DECAY = 0.998
LARGEST_NORM_DECAY = 0.99


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How to train the whole network: epochs, batch, learning rate, seed.

    `small_share` of the epochs run at `small_scale` of the resolution: a network sees
    more photos in the same time, and the last epochs settle at full size.
    """

    epochs: int = 60
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 0.02
    seed: int = 1
    small_share: float = 0.0
    small_scale: float = 0.625


class Network:
    """A backbone of open input size with a head: what training changes."""

    def __init__(self, spec: NetworkSpec, labels: Sequence[str]) -> None:
        self.spec = spec
        self.labels = tuple(labels)
        self.backbone = build_backbone(spec)
        self.head = build_head(int(self.backbone.outputs[-1].shape[-1]), labels)

    def __call__(self, images: Any, training: bool) -> tuple[list[Any], Any, Any]:
        """Hints, embedding and logits of a batch of raw images."""
        *hints, embedding = _as_list(self.backbone(images, training=training))
        return hints, embedding, self.head(embedding, training=training)

    @property
    def variables(self) -> list[Any]:
        return [*self.backbone.trainable_variables, *self.head.trainable_variables]

    def take_weights(self, other: Network) -> None:
        """Take over all weights of another network of the same specification.

        Raises TrainingError when the networks differ.
        """
        if other.spec != self.spec:
            raise TrainingError(
                f"the earlier run trained {other.spec}, this one is to train {self.spec}; "
                "give the same --network, --width and --resolution"
            )
        self.backbone.set_weights(other.backbone.get_weights())
        self.head.set_weights(other.head.get_weights())

    def inference_model(self) -> keras.Model:
        """The same network with a fixed input size and scores as output."""
        import keras

        side = self.spec.resolution
        backbone = build_backbone(self.spec, side)
        backbone.set_weights(self.backbone.get_weights())
        embedding = _as_list(backbone.outputs)[-1]
        logits = self.head(embedding)
        scores = keras.layers.Softmax(name="scores")(logits)
        return keras.Model(backbone.input, scores, name=self.spec.name)


def _as_list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def train_head(
    network: Network, training: Images, validation: Images, batch: int, seed: int
) -> float:
    """Train only the head, on features computed once; return the validation accuracy.

    The features of the untouched network (bottlenecks) are computed once for every
    photo and its mirror image; the head then learns from them in seconds.
    """
    import keras

    features = _bottlenecks(network, training, "bottlenecks")
    mirrored = _bottlenecks(network, training, "bottlenecks, mirrored", mirror=True)
    checks = _bottlenecks(network, validation, "bottlenecks, validation")
    keras.utils.set_random_seed(seed)
    inputs = np.concatenate([features, mirrored])
    targets = np.eye(len(network.labels), dtype=np.float32)[np.tile(training.indices, 2)]
    network.head.compile(
        optimizer=keras.optimizers.Adam(HEAD_RATE),
        # A head that is too sure of itself would tear at the features in fine-tuning.
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=LABEL_SMOOTHING
        ),
    )
    rows = Progress("head", HEAD_EPOCHS)
    with rows:
        for _ in range(HEAD_EPOCHS):
            network.head.fit(inputs, targets, batch_size=batch, verbose=0)
            rows.step()
    logits = network.head.predict(checks, verbose=0)
    return float(np.mean(logits.argmax(axis=1) == validation.indices))


def _bottlenecks(
    network: Network, images: Images, title: str, *, mirror: bool = False
) -> NDArray[np.float32]:
    import tensorflow as tf

    @tf.function  # type: ignore[untyped-decorator]
    def embed(batch: Any) -> Any:
        return _as_list(network.backbone(batch, training=False))[-1]

    rows: list[NDArray[np.float32]] = []
    with Progress(title, len(images)) as progress:
        for start in range(0, len(images), 32):
            batch = images.pixels[start : start + 32].astype(np.float32)
            rows.append(embed(batch[:, :, ::-1] if mirror else batch).numpy())
            progress.step(len(batch))
    return np.concatenate(rows)


class WholeNetworkTrainer:
    """Trains every weight on augmented views, optionally as a teacher's student."""

    def __init__(
        self,
        network: Network,
        options: TrainingOptions,
        steps: int,
        teacher: Network | None = None,
    ) -> None:
        import keras
        import tensorflow as tf

        self.network, self.teacher, self.options = network, teacher, options
        self.adapters = self._build_adapters()
        self.variables = [
            *network.variables,
            *(v for adapter in self.adapters for v in adapter.trainable_variables),
        ]
        warm_up = max(1, int(steps * WARM_UP_SHARE))
        decay = 1 - 1 / max(2.0, steps * AVERAGED_SHARE)
        for layer in network.backbone.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                # A short training must not end with the statistics it began with.
                layer.momentum = min(LARGEST_NORM_DECAY, decay)
        self.optimizer = keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(
                options.rate / 20,
                max(1, steps - warm_up),
                warmup_target=options.rate,
                warmup_steps=warm_up,
                alpha=0.002,
            ),
            weight_decay=options.weight_decay,
            global_clipnorm=5.0,
            use_ema=True,
            ema_momentum=min(LARGEST_DECAY, decay),
        )
        # Decay pulls on the weights of convolutions only, not on scales and offsets.
        self.optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        self.optimizer.build(self.variables)
        self._step = tf.function(self._train_step)

    def _build_adapters(self) -> list[Any]:
        """1×1 projections from the student's feature maps to the teacher's (FitNets)."""
        if self.teacher is None:
            return []
        import keras

        ours = _as_list(self.network.backbone.outputs)
        theirs = _as_list(self.teacher.backbone.outputs)
        if len(ours) != len(theirs):  # different families: only the embeddings compare
            ours, theirs = ours[-1:], theirs[-1:]
        adapters = []
        for mine, target in zip(ours, theirs, strict=True):
            channels = int(target.shape[-1])
            adapter = keras.layers.Dense(channels, use_bias=False)
            adapter.build(mine.shape)
            adapters.append(adapter)
        return adapters

    def _train_step(
        self,
        squares: Any,
        aspects: Any,
        indices: Any,
        side: int,
        min_area: Any,
        hint_weight: Any,
    ) -> tuple[Any, Any]:
        import tensorflow as tf

        views = augment(squares, aspects, side, min_area)
        with tf.GradientTape() as tape:
            hints, embedding, logits = self.network(views, training=True)
            targets = tf.one_hot(indices, len(self.network.labels))
            smoothed = targets * (1 - LABEL_SMOOTHING) + LABEL_SMOOTHING / targets.shape[1]
            loss = _cross_entropy(smoothed, logits)
            if self.teacher is not None:
                soft = self.teacher(views, training=False)
                loss = self._with_teacher(soft, [*hints, embedding], logits, loss, hint_weight)
        gradients = tape.gradient(loss, self.variables)
        self.optimizer.apply_gradients(zip(gradients, self.variables, strict=True))
        hits = tf.equal(tf.argmax(logits, axis=1), indices)
        return loss, tf.reduce_mean(tf.cast(hits, tf.float32))

    def _with_teacher(
        self, teacher: Any, ours: list[Any], logits: Any, loss: Any, hint_weight: Any
    ) -> Any:
        import tensorflow as tf

        # Both saw the same view at the same size: their feature maps align.
        hints, embedding, soft = teacher
        theirs = [*hints, embedding][-len(self.adapters) :]
        scores = tf.nn.softmax(soft / TEACHER_TEMPERATURE)
        distilled = _cross_entropy(scores, logits / TEACHER_TEMPERATURE)
        loss = (1 - TEACHER_SHARE) * loss + TEACHER_SHARE * TEACHER_TEMPERATURE**2 * distilled
        for adapter, mine, target in zip(
            self.adapters, ours[-len(self.adapters) :], theirs, strict=True
        ):
            loss += hint_weight * _hint_loss(adapter(mine), target)
        return loss

    def train(
        self, training: Images, validation: Images, *, log: Any = None
    ) -> list[dict[str, float]]:
        """Run all epochs; return loss and accuracies per epoch.

        The weights end as the running average over the last steps, which validates
        better than the last step's own.
        """
        import tensorflow as tf

        options = self.options
        rng = np.random.default_rng(options.seed)
        history: list[dict[str, float]] = []
        epochs = options.epochs
        steps = math.ceil(len(training) / options.batch)
        progress = Progress("training", epochs * steps)
        with progress:
            for epoch in range(epochs):
                side = self._side(epoch)
                hint_weight = tf.constant(max(0.0, 1.0 - 1.25 * epoch / epochs))
                min_area = tf.constant(min_crop_area(epoch / epochs))
                losses, accuracies = [], []
                for rows in _batches(rng, len(training), options.batch):
                    loss, accuracy = self._step(
                        tf.constant(training.pixels[rows]),
                        tf.constant(training.aspects[rows]),
                        tf.constant(training.indices[rows]),
                        side,
                        min_area,
                        hint_weight,
                    )
                    losses.append(float(loss))
                    accuracies.append(float(accuracy))
                    progress.step(note=f"loss {losses[-1]:.3f}")
                row = {
                    "epoch": epoch + 1,
                    "loss": float(np.mean(losses)),
                    "accuracy": float(np.mean(accuracies)),
                }
                if (epoch + 1) % 5 == 0 or epoch + 1 == epochs:
                    if epoch + 1 == epochs:
                        self.optimizer.finalize_variable_values(self.variables)
                    row["validation_accuracy"] = accuracy_of(self.network, validation)
                history.append(row)
                if log is not None:
                    log(row)
        return history

    def _side(self, epoch: int) -> int:
        full = self.network.spec.resolution
        if epoch >= self.options.epochs * self.options.small_share:
            return full
        # Feature maps halve five times: keep the side a multiple of 32.
        return max(32, round(full * self.options.small_scale / 32) * 32)


def _batches(rng: np.random.Generator, n: int, batch: int) -> Iterator[NDArray[np.intp]]:
    order = rng.permutation(n)
    for start in range(0, n, batch):
        # Sorted rows read a memory-mapped file front to back.
        yield np.sort(order[start : start + batch])


def _cross_entropy(targets: Any, logits: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))


def _hint_loss(ours: Any, theirs: Any) -> Any:
    """Mean squared difference, in units of the teacher's own variance."""
    import tensorflow as tf

    theirs = tf.stop_gradient(theirs)
    spread = tf.math.reduce_variance(theirs) + 1e-6
    return tf.reduce_mean(tf.square(ours - theirs)) / spread


def accuracy_of(network: Network, images: Images) -> float:
    """Top-1 accuracy of the Keras network, for watching training; a fraction."""
    import tensorflow as tf

    hits = 0
    for start in range(0, len(images), 64):
        batch = tf.constant(images.pixels[start : start + 64].astype(np.float32))
        _, _, logits = network(batch, training=False)
        hits += int(np.sum(logits.numpy().argmax(axis=1) == images.indices[start : start + 64]))
    return hits / max(1, len(images))
