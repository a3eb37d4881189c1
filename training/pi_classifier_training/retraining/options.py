"""What a user chooses about a training."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pi_classifier.preprocessing.preprocessor import Resize
from pi_classifier.setting import LARGEST_SEED, setting
from pi_classifier_training.data.splits import SplitRule
from pi_classifier_training.modelfile.model_card import ModelCard
from pi_classifier_training.networks.network import NetworkSpec
from pi_classifier_training.retraining.epochs import epoch_plan
from pi_classifier_training.retraining.head import ClassWeights

SCRATCH_RATE = 2e-3
# Published weights are near their goal; but a tenth of this moved them nowhere in ten epochs.
FINE_TUNE_RATE = 1e-3


def negatives_setting() -> Any:
    """The setting ``--negatives`` of whatever trains."""
    return setting(
        (),
        "folder of photos that show none of the labels, a sub-folder for each place they come "
        "from: the model learns to be silent about them; may be given several times",
        option="--negatives",
        metavar="DIR",
    )


def cache_setting() -> Any:
    """The setting ``--cache-dir`` of whatever computes features."""
    return setting(
        None,
        "where the features of photos are kept for later runs; 'none' keeps none "
        "(default: ~/.cache/pi-classifier/bottlenecks)",
        metavar="DIR",
    )


@dataclass(frozen=True, slots=True)
class TrainingOptions:
    """How to train the whole network: epochs, batch, learning rate, seed.

    `small_share` of the epochs run at `small_scale` of the resolution: a network sees
    more photos in the same time, and the last epochs settle at full size. `steps` of a
    batch each count instead of `epochs` where given. Training ends when validation has
    not got better for `patience` epochs (0: never). After `views` epochs the same views of
    the photos come again (0: never). With `mixup` each view is blended with another's, and
    what it shows with it, by a share from a beta distribution of that strength (0: never).
    """

    epochs: int = setting(60, "epochs with --weights none", minimum=1, maximum=100_000)
    batch: int = setting(64, "photos a step", minimum=1, maximum=65_536)
    rate: float | None = setting(
        None,
        f"highest learning rate (default: {FINE_TUNE_RATE:g} in fine-tuning, {SCRATCH_RATE:g} "
        "from scratch)",
        above=0,
        metavar="RATE",
        maximum=10,
    )
    weight_decay: float = 0.02
    seed: int = setting(1, "other random numbers", minimum=0, maximum=LARGEST_SEED)
    small_share: float = setting(
        0.0,
        "share of the epochs at small views, faster",
        minimum=0,
        maximum=1,
        metavar="SHARE",
    )
    small_scale: float = 0.625
    steps: int | None = setting(
        None,
        "steps of training the whole network, instead of epochs",
        minimum=1,
        maximum=1_000_000_000,
    )
    patience: int = setting(
        0,
        "stop when validation has not got better for so long, and take the best; 0: never",
        minimum=0,
        metavar="EPOCHS",
    )
    views: int = setting(
        0,
        "show the same N varied views of each photo again and again; 0: never the same",
        minimum=0,
        maximum=10_000,
    )
    mixup: float = setting(
        0.0,
        "blend each view with another photo's, so strongly (usual: 0.2); for long trainings; "
        "0: never",
        minimum=0,
        maximum=100,
        metavar="STRENGTH",
    )

    def total_steps(self, photos: int) -> int:
        """Steps of the whole training on so many photos."""
        return epoch_plan(self.epochs, self.steps, math.ceil(photos / self.batch))[1]


@dataclass(frozen=True, slots=True)
class RetrainOptions:
    """What to train: the network, where its weights come from, and how long.

    `weights` is ``imagenet``, ``none``, the path of a Keras .h5 file or an earlier run
    folder. With published weights only a new head is trained, then `fine_tune` epochs of
    the whole network, or of its last `blocks`; an earlier run goes straight to
    fine-tuning; without weights the whole network is trained from scratch for
    `training.epochs`. `teachers` are run folders of trained networks to distil from; with
    `teacher_cache`, a folder, they are asked once for each view and their scores kept
    there: the only way for several, or for one that sees pictures of another size.
    `negatives` are folders of photos of anything else, see `data.negatives`; `silent_bias`, in
    nats, is added to the logit of their label in the end (logit adjustment, Menon et al. 2021,
    arXiv:2007.07314): how many of them were learned from says nothing of what a camera will see.
    `cache_dir` is where bottlenecks are kept: None the user's cache, ``none`` nowhere.
    """

    network: NetworkSpec = field(default_factory=NetworkSpec)
    weights: str = setting(
        "imagenet",
        "where to start: published weights, from scratch, a .h5 (or .pth) file or an earlier run",
        metavar="imagenet|none|FILE|RUN",
    )
    fine_tune: int = setting(
        0,
        "epochs of training the whole network behind the head, on varied photos",
        minimum=0,
        metavar="EPOCHS",
        maximum=100_000,
    )
    blocks: int | None = setting(
        None, "fine-tune only the last N blocks of the network (default: all)", minimum=0
    )
    teachers: tuple[Path, ...] = setting(
        (),
        "output folder of a run to distil from; several with --teacher-cache",
        option="--teacher",
        metavar="RUN",
    )
    teacher_cache: Path | None = setting(
        None,
        "keep there what the teachers say, for all students of the same photos",
        metavar="DIR",
    )
    negatives: tuple[Path, ...] = negatives_setting()
    resize: Resize = setting("crop", "what becomes of photos that are not square")
    head_strength: float | None = setting(
        None,
        "how strongly the weights of a new head are kept small (default: chosen by "
        "cross-validation among the training photos)",
        above=0,
        maximum=1e9,
        metavar="STRENGTH",
    )
    class_weights: ClassWeights = setting(
        "auto",
        "auto: labels with few photos weigh more where one has over 1.5 times the photos of "
        "another",
    )
    silent_bias: float = setting(
        0.0,
        "added to the bias of the label that says that nothing is to be seen: below 0 it is said "
        "less readily (-1.5 still leaves it most photos of nothing)",
        minimum=-10,
        maximum=10,
        metavar="NATS",
    )
    splits: SplitRule = SplitRule()
    training: TrainingOptions = field(default_factory=TrainingOptions)
    card: ModelCard = field(default_factory=ModelCard)
    cache_dir: str | None = cache_setting()

    @property
    def resumes(self) -> bool:
        """Whether training starts from an earlier run, head included."""
        return Path(self.weights).is_dir()

    @property
    def from_scratch(self) -> bool:
        """Whether the network knows nothing at first."""
        return self.weights == "none"

    @property
    def rate(self) -> float:
        """The highest learning rate of training the whole network."""
        usual = SCRATCH_RATE if self.from_scratch else FINE_TUNE_RATE
        return usual if self.training.rate is None else self.training.rate

    def as_dict(self) -> dict[str, Any]:
        """The options as they stand in ``run.json`` and in model files."""
        options = asdict(self)
        options["training"]["rate"] = self.rate
        # These came later: earlier runs are still those of the same options.
        if not self.training.mixup:
            del options["training"]["mixup"]
        if not self.silent_bias:
            del options["silent_bias"]
        # Entries of their own, or without influence on the result.
        del (
            options["splits"],
            options["card"],
            options["network"],
            options["cache_dir"],
            options["teacher_cache"],
        )
        # A model file travels: it names files, never the folders of the machine it was made on.
        options["weights"] = Path(self.weights).name
        options["negatives"] = [folder.resolve().name for folder in self.negatives]
        options["teachers"] = [teacher.resolve().name for teacher in self.teachers]
        return options


def versions() -> dict[str, str]:
    from importlib.metadata import version

    import keras
    import tensorflow as tf

    from pi_classifier import __version__

    return {
        "pi-classifier": __version__,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": version("numpy"),
        "pillow": version("pillow"),
    }
