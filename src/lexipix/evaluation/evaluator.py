"""Trains the evaluator, a contrastive pair, on images that no other training sees."""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluatorParameters
from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import captioned
from lexipix.data.images import Images, Subset
from lexipix.data.tokenization import train_tokenizer
from lexipix.evaluation.captioning import fill_missing_captions
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training.builders.common import Outputs, TrainingSetup, run_training
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.contrastive import ContrastiveTask
from lexipix.utils.errors import LexipixError
from lexipix.utils.seeding import seeded
from lexipix.utils.types import CheckpointStore, MetricStream, ModelBundle, Split

logger = logging.getLogger(__name__)

MIN_CAPTIONED = 16  # pairs that the contrastive loss needs


def caption_evaluator_split(
    split: Split, captioner: ModelBundle, parameters: EvaluatorParameters, run: RunParameters
) -> tuple[Split, int]:
    """Adds the captioner's captions to the evaluator's split if too few of its images have one.

    The images are still the evaluator's own, but the captions of these images are as good as the captioner.

    Returns:
        The split, and the number of captions written.
    """
    n_missing = int(split.captions["caption"].isna().sum())
    if not n_missing or len(split) - n_missing >= parameters.min_captioned:
        return split, 0
    logger.info("evaluator: %s of %s images have a caption", f"{len(split) - n_missing:,}", f"{len(split):,}")
    return Split(split.images, fill_missing_captions(captioner, split, run)), n_missing


def train_contrastive_evaluator(
    split: Split,
    parameters: EvaluatorParameters,
    run: RunParameters,
    data_digest: str,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Trains the evaluator on a part of its split, with a shifted seed; the rest chooses the best weights.

    Images without a caption are left out.

    Raises:
        LexipixError: The split has too few captions.
    """
    run = run.model_copy(update={"seed": (run.seed + parameters.seed_offset) % 2**31})
    data = captioned(split)
    if len(data) < MIN_CAPTIONED:
        raise LexipixError(
            f"The split 'judge' has {len(data)} pictures with a caption, and the evaluator needs at least "
            f"{MIN_CAPTIONED}: add captions, or raise ingestion.splits.judge."
        )
    n_held_out = max(2, round(len(data) * parameters.held_out_share))
    device = resolve_device(run)
    tokenizer = train_tokenizer(data.all_captions(), parameters.vocabulary)
    network = _network_config(parameters, tokenizer.get_vocab_size())
    with seeded(run.seed):
        pair = ContrastivePair.from_config(network)
    groups = data.groups()

    def select(indices: NDArray[np.int64]) -> tuple[Images, CaptionRows, NDArray[np.int64]]:
        captions = [data.captions[i] for i in indices]
        paraphrases = [data.paraphrases[i] for i in indices]
        rows = CaptionRows(captions, paraphrases, tokenizer, parameters.max_tokens, device)
        return Subset(data.images, indices), rows, groups[indices]

    task = ContrastiveTask(
        pair,
        *select(np.arange(n_held_out, len(data))),
        select(np.arange(n_held_out)),
        learning_rate=parameters.training.learning_rate,
        words_weight=parameters.words_weight,
        augment=True,
        flip=parameters.flip,
        augmentations=parameters.augmentations,
    )
    bundle = {"tokenizer": tokenizer, "max_tokens": parameters.max_tokens}
    # Captions that the captioner wrote are not part of the data's digest
    setup = TrainingSetup(task, pair, network, parameters, (data.captions,), bundle)
    return run_training("evaluator", "evaluation.evaluator", setup, run, data_digest, stream, checkpoints)


def _network_config(parameters: EvaluatorParameters, vocabulary: int) -> dict[str, Any]:
    return {
        "image_encoder": {
            "channels": list(parameters.channels),
            "blocks": list(parameters.blocks),
            "embed_dim": parameters.embed_dim,
        },
        "text_encoder": {
            "vocabulary": vocabulary,
            "max_tokens": parameters.max_tokens,
            "width": parameters.text_width,
            "depth": parameters.text_depth,
            "embed_dim": parameters.embed_dim,
        },
    }
