"""The evaluator: a contrastive pair that no other training ever saw, trained and put to use."""

from collections.abc import MutableMapping, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lexipix.config.evaluation import EvaluatorParameters
from lexipix.config.run import RunParameters
from lexipix.errors import LexipixError
from lexipix.networks.build import contrastive_pair
from lexipix.networks.clip import ContrastivePair
from lexipix.records import CheckpointStore, MetricStream, ModelBundle, Split
from lexipix.training.bundles import fingerprint, load_network, to_bundle
from lexipix.training.captioned import captioned
from lexipix.training.captions import CaptionRows
from lexipix.training.contrastive import ContrastiveTask
from lexipix.training.data import Images, Subset, to_unit
from lexipix.training.loop import TrainingResult, train
from lexipix.training.machine import resolve_device
from lexipix.training.seeding import seeded
from lexipix.training.tokenization import PAD_ID, encode, train_tokenizer

Vectors = NDArray[np.float32]
Pixels = NDArray[np.uint8]

MIN_CAPTIONED = 16  # with fewer pairs there is nothing to contrast


def train_judge(
    split: Split,
    parameters: EvaluatorParameters,
    run: RunParameters,
    data_digest: str,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    choices: MutableMapping[str, str] | None = None,
) -> tuple[ModelBundle, TrainingResult]:
    """Train the evaluator on a part of its split; the rest chooses the best weights.

    Args:
        split: The judge split; pictures without a caption are left out.
        parameters: Sizes and training.
        run: Its seed is moved by ``parameters.seed_offset``.
        data_digest: Of the pictures, for the card and for resuming.
        stream: Takes live figures.
        checkpoints: For resuming.
        choices: What the probes of precision chose on this machine before.

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
            "vector_width": parameters.vector_width,
        },
        "text_encoder": {
            "vocabulary": tokenizer.get_vocab_size(),
            "max_tokens": parameters.max_tokens,
            "width": parameters.text_width,
            "depth": parameters.text_depth,
            "vector_width": parameters.vector_width,
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
    )
    result = train(
        task,
        parameters.training,
        run,
        name="evaluator",
        fingerprint=fingerprint("evaluator", parameters, str(run.seed), data_digest),
        stream=stream,
        checkpoints=checkpoints,
        choices=choices,
    )
    bundle = to_bundle(
        "contrastive_pair",
        pair,
        network,
        tokenizer=tokenizer,
        max_tokens=parameters.max_tokens,
        card_parameters=parameters,
        data_digest=data_digest,
        figures=result.figures,
    )
    return bundle, result


class Judge:
    """The trained evaluator looking at pictures and reading captions.

    Args:
        bundle: As :func:`train_judge` gives it.
        run: Chooses the device.
        batch_size: Pictures or captions at a time.
    """

    def __init__(self, bundle: ModelBundle, run: RunParameters, batch_size: int) -> None:
        self._device = resolve_device(run)
        self._pair = cast(ContrastivePair, load_network(bundle)).to(self._device)
        if bundle.tokenizer is None:
            raise LexipixError("The evaluator has no tokenizer.json: run the evaluation again.")
        self._tokenizer = Tokenizer.from_str(bundle.tokenizer)
        self._max_tokens = int(bundle.config["max_tokens"])
        self._batch_size = batch_size

    def look(self, images: Pixels) -> tuple[Vectors, Vectors]:
        """Features (N, F) for distances between sets, and unit vectors (N, D) to compare with captions."""
        features, vectors = [], []
        with torch.inference_mode():
            for start in range(0, len(images), self._batch_size):
                batch = torch.from_numpy(np.array(images[start : start + self._batch_size]))
                seen = self._pair.image_encoder(to_unit(batch.to(self._device)))
                features.append(seen.pooled.float().cpu().numpy())
                vectors.append(seen.vector.float().cpu().numpy())
        return np.concatenate(features), np.concatenate(vectors)

    def read(self, captions: Sequence[str]) -> Vectors:
        """Unit vectors of captions, (N, D); equal captions are read once."""
        texts, inverse = np.unique(np.asarray(captions, dtype=object), return_inverse=True)
        ids = torch.from_numpy(encode(self._tokenizer, texts.tolist(), self._max_tokens))
        vectors = []
        with torch.inference_mode():
            for batch in ids.to(self._device).split(self._batch_size):
                vectors.append(self._pair.text_encoder(batch, batch != PAD_ID).float().cpu().numpy())
        return np.concatenate(vectors)[inverse]
