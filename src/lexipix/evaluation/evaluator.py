"""The evaluator: a contrastive pair trained on pictures that no other training ever saw."""

import hashlib
import logging

import numpy as np
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluatorParameters
from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import CaptionedImages, captioned, with_generated
from lexipix.data.images import Images, Subset
from lexipix.data.tokenization import train_tokenizer
from lexipix.evaluation.captioning import write_captions
from lexipix.models.build import contrastive_pair
from lexipix.models.captioner import Captioner
from lexipix.training.bundles import fingerprint, load_network, to_bundle, tokenizer_of
from lexipix.training.loop import train
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.base import TrainingResult
from lexipix.training.tasks.contrastive import ContrastiveTask
from lexipix.utils.errors import LexipixError
from lexipix.utils.seeding import seeded
from lexipix.utils.types import CheckpointStore, MetricStream, ModelBundle, Split

logger = logging.getLogger(__name__)

MIN_CAPTIONED = 16  # with fewer pairs there is nothing to contrast


def with_captions(
    split: Split, captioner: ModelBundle, parameters: EvaluatorParameters, run: RunParameters
) -> tuple[Split, int]:
    """Let the captioner describe the judge's pictures where next to none of them has a caption.

    Its pictures are still its own; but what it takes for true of the described ones is the captioner's word.

    Returns:
        The split, and how many pictures of it were described.
    """
    rows = np.flatnonzero(split.captions["caption"].isna().to_numpy())
    if not len(rows) or len(split) - len(rows) >= parameters.min_captioned:
        return split, 0
    logger.info(
        "evaluator: %s of %s pictures have a caption", f"{len(split) - len(rows):,}", f"{len(split):,}"
    )
    network = load_network(captioner)
    assert isinstance(network, Captioner)
    written = write_captions(
        network,
        tokenizer_of(captioner),
        Subset(split.images, rows),
        captioner.config["max_tokens"],
        device=resolve_device(run),
    )
    return Split(split.images, with_generated(split.captions, rows, written)), len(rows)


def train_judge(
    split: Split,
    parameters: EvaluatorParameters,
    run: RunParameters,
    data_digest: str,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> tuple[ModelBundle, TrainingResult]:
    """Train the evaluator on a part of its split; the rest chooses the best weights.

    Args:
        split: The judge split; pictures without a caption are left out.
        parameters: Sizes and training.
        run: Its seed is moved by ``parameters.seed_offset``.
        data_digest: Of the pictures, for the card and for resuming.
        stream: Takes live figures.
        checkpoints: For resuming.

    Raises:
        LexipixError: The split has too few captions.
    """
    run = run.model_copy(update={"seed": (run.seed + parameters.seed_offset) % 2**31})
    everything = captioned(split)
    if len(everything) < MIN_CAPTIONED:
        raise LexipixError(
            f"The split 'judge' has {len(everything)} pictures with a caption, and the evaluator needs at "
            f"least {MIN_CAPTIONED}: add captions, or raise ingestion.splits.judge."
        )
    n_held_out = max(2, round(len(everything) * parameters.held_out_share))
    device = resolve_device(run)
    tokenizer = train_tokenizer(everything.wordings(), parameters.vocabulary)
    network = {
        "image_encoder": {
            "channels": list(parameters.channels),
            "blocks": list(parameters.blocks),
            "embed_dim": parameters.embed_dim,
        },
        "text_encoder": {
            "vocabulary": tokenizer.get_vocab_size(),
            "max_tokens": parameters.max_tokens,
            "width": parameters.text_width,
            "depth": parameters.text_depth,
            "embed_dim": parameters.embed_dim,
        },
    }
    with seeded(run.seed):
        pair = contrastive_pair(network)
    groups = everything.groups()

    def part(rows: NDArray[np.int64]) -> tuple[Images, CaptionRows, NDArray[np.int64]]:
        captions = [everything.captions[row] for row in rows]
        others = [everything.paraphrases[row] for row in rows]
        wordings = CaptionRows(captions, others, tokenizer, parameters.max_tokens, device)
        return Subset(everything.images, rows), wordings, groups[rows]

    task = ContrastiveTask(
        pair,
        *part(np.arange(n_held_out, len(everything))),
        part(np.arange(n_held_out)),
        learning_rate=parameters.training.learning_rate,
        words_weight=parameters.words_weight,
        augment=True,
        flip=parameters.flip,
        device=device,
        augmentations=parameters.augmentations,
    )
    result = train(
        task,
        parameters.training,
        run,
        name="evaluator",
        key="evaluation.evaluator.training",
        fingerprint=fingerprint("evaluator", parameters, str(run.seed), data_digest, _digest(everything)),
        stream=stream,
        checkpoints=checkpoints,
    )
    bundle = to_bundle(
        "contrastive_pair",
        pair,
        network,
        tokenizer=tokenizer,
        max_tokens=parameters.max_tokens,
        card_parameters=parameters,
        data_digest=data_digest,
        figures=result.metrics,
    )
    return bundle, result


def _digest(captions: CaptionedImages) -> str:
    """Of what the judge takes for true, which for described pictures is the captioner's matter."""
    return hashlib.sha256("\n".join(captions.captions).encode()).hexdigest()[:32]
