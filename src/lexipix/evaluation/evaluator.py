"""Trains the evaluator on every captioned image that no figure is measured on."""

from functools import partial
from typing import Any

from lexipix.config.evaluation import EvaluatorParameters
from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import joined
from lexipix.data.tokenization import FeatureTokenizer, train_feature_tokenizer
from lexipix.engines.base import Engine
from lexipix.engines.local import LOCAL
from lexipix.models.evaluator import Evaluator
from lexipix.training.builders.common import Outputs, TrainingJob, TrainingSetup, run_training
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.evaluator import EvaluatorTask
from lexipix.utils.errors import LexipixError
from lexipix.utils.seeding import seeded
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream

MIN_CAPTIONED = 16  # pairs that the contrastive loss needs


def train_contrastive_evaluator(
    image_splits: ImageSplits,
    parameters: EvaluatorParameters,
    run: RunParameters,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> Outputs:
    """Trains the evaluator on the captioned images of train and val, with a shifted seed.

    Published R-precision is measured so (DAMSM of AttnGAN, Xu et al. 2018): an evaluator that learns from a
    part of a small folder knows little of it. Images and captions of test and of the held-out pairs stay
    unseen. Captions that the captioner of this run writes do not take part.

    Raises:
        LexipixError: Too few images have a caption.
    """
    run = run.model_copy(update={"seed": (run.seed + parameters.seed_offset) % 2**31})
    build, key = partial(_build_evaluator, image_splits, parameters, run), "evaluation.evaluator"
    job = TrainingJob("evaluator", key, build, parameters.training, run, image_splits.digest)
    return run_training(job, stream, checkpoints, engine)


def _build_evaluator(
    image_splits: ImageSplits, parameters: EvaluatorParameters, run: RunParameters
) -> TrainingSetup:
    data = joined([image_splits.train, image_splits.val])
    if len(data) < MIN_CAPTIONED:
        raise LexipixError(
            f"evaluator: {len(data)} images outside the test split have a caption, and it needs at least "
            f"{MIN_CAPTIONED}: add captions to the source and run the ingestion again."
        )
    made = train_feature_tokenizer(data.all_captions(), parameters.vocabulary)
    network = _network_config(parameters, image_splits.train.images.shape, made)
    with seeded(run.seed):
        evaluator = Evaluator.from_config(network)
    device = resolve_device(run)
    rows = CaptionRows(data.captions, data.paraphrases, made.tokenizer, parameters.max_tokens, device)
    task = EvaluatorTask(evaluator, data.images, rows, parameters)
    bundle = {"tokenizer": made.tokenizer, "max_tokens": parameters.max_tokens}
    return TrainingSetup(task, evaluator, network, parameters, bundle=bundle)


def _network_config(
    parameters: EvaluatorParameters, shape: tuple[int, ...], made: FeatureTokenizer
) -> dict[str, Any]:
    common = {"embed_dim": parameters.embed_dim, "dropout": parameters.dropout}
    return {
        "image_encoder": {
            "image_size": int(shape[1]),
            "image_channels": int(shape[3]),
            "width": parameters.width,
            **common,
        },
        "text_encoder": {
            "vocabulary": made.tokenizer.get_vocab_size(),
            "n_silent": made.n_silent,
            "width": parameters.text_width,
            **common,
        },
    }
