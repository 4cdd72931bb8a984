"""Steps of the captioner."""

import logging
import time
from collections.abc import MutableMapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lexipix.config.captioner import CaptionerParameters
from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import for_training, with_generated
from lexipix.data.images import Images, Subset
from lexipix.evaluation.attention import as_arrays, draw, look
from lexipix.evaluation.caption_scores import is_scenes, score, worth_of_generated
from lexipix.evaluation.captioning import sequence_confidence, write_captions
from lexipix.models.captioner import Captioner
from lexipix.training.builders.captioner import LanguageModels, make_captioner
from lexipix.training.bundles import fingerprint, load_network, to_bundle, tokenizer_of
from lexipix.training.loop import train
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.captioner import CaptionerTask
from lexipix.utils.seeding import seeded
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle

logger = logging.getLogger(__name__)


def train_captioner(
    captioner: CaptionerParameters,
    run: RunParameters,
    pictures: ImageSplits,
    contrastive_pair: ModelBundle,
    pretrained_models: LanguageModels,
    machine_choices: MutableMapping[str, str],
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> tuple[ModelBundle, pd.DataFrame]:
    """Train a language model to write the captions of the pictures that have one.

    Returns:
        The captioner with its tokenizer, and the curves of its training.
    """
    device = resolve_device(run)
    digest = pictures.digest
    learn, validate = for_training(pictures.train, pictures.val, "captioner")
    with seeded(run.seed):
        network, config, tokenizer = make_captioner(captioner, contrastive_pair, pretrained_models)
    max_tokens = int(contrastive_pair.config["max_tokens"])
    rows, val_rows = (
        CaptionRows(part.captions, part.paraphrases, tokenizer, max_tokens, device)
        for part in (learn, validate)
    )
    task = CaptionerTask(
        network,
        learn.images,
        rows,
        (validate.images, val_rows),
        learning_rate=captioner.training.learning_rate,
        encoder_learning_rate=captioner.training.learning_rate * captioner.finetune_image_encoder,
        freeze_language_model=captioner.language_model.frozen,
        text_only_share=captioner.text_only_share,
        augment=captioner.augment,
        flip=captioner.flip,
        device=device,
    )
    result = train(
        task,
        captioner.training,
        run,
        name="captioner",
        fingerprint=fingerprint(captioner, run, digest, contrastive_pair),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    bundle = to_bundle(
        "captioner",
        network,
        config,
        tokenizer=tokenizer,
        max_tokens=max_tokens,
        card_parameters=captioner,
        data_digest=digest,
        figures=result.figures,
        image_size=contrastive_pair.config["image_size"],
        known_words=contrastive_pair.config["known_words"],
    )
    return bundle, pd.DataFrame(result.curves)


def caption_missing(
    parameters: CaptionerParameters, run: RunParameters, captioner: ModelBundle, pictures: ImageSplits
) -> pd.DataFrame:
    """Write captions for the training pictures that came without.

    Returns:
        The table of the training split with captions filled where the captioner is sure enough
        (``captioner.least_sure``); ``caption_source`` of the new ones is "generated".
    """
    table = pictures.train.captions
    rows = np.flatnonzero(table["caption"].isna().to_numpy())
    if not len(rows):
        return table.copy()
    images, max_tokens = Subset(pictures.train.images, rows), captioner.config["max_tokens"]
    written = _write(parameters, run, captioner, images)
    taken = np.arange(len(rows))
    if parameters.least_sure > 0:  # else there is no need to look at the pictures again
        sure = sequence_confidence(*_load(captioner), images, written, max_tokens, device=resolve_device(run))
        taken = np.flatnonzero(sure >= parameters.least_sure)
    logger.info(
        "captioner: %s of %s pictures without a caption described, as sure as captioner.least_sure asks",
        f"{len(taken):,}", f"{len(rows):,}",
    )  # fmt: skip
    return with_generated(table, rows[taken], [written[row] for row in taken])


def caption_test(
    parameters: CaptionerParameters,
    run: RunParameters,
    captioner: ModelBundle,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Write captions for the test pictures and measure them.

    Returns:
        A table (file, caption, truth), and the figures of training and test; ``images_per_s`` is the rate of
        training, ``captions_per_s`` that of writing.
    """
    truth = pictures.test.captions
    start = time.perf_counter()
    written = _write(parameters, run, captioner, pictures.test.images)
    seconds = time.perf_counter() - start
    table = pd.DataFrame({"file": truth["file"], "caption": written, "truth": truth["caption"]})
    figures = {
        **captioner.card["figures"],
        **score(written, truth, scenes=is_scenes(pictures.summary)),
        **worth_of_generated(captions_complete),
        "n_test": len(written),
        "captions_per_s": round(len(written) / max(seconds, 1e-9), 1),
    }
    return table, figures


def show_attention(
    parameters: CaptionerParameters, run: RunParameters, captioner: ModelBundle, pictures: ImageSplits
) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Keep where the captioner looked at each word it wrote about some test pictures, and draw it.

    Returns:
        ``maps`` float32 (N, longest caption, h, w), ``words`` and ``files``; and the drawing.
    """
    network, tokenizer = _load(captioner)
    network.to(resolve_device(run))
    images = np.asarray(pictures.test.images[: parameters.attention_pictures])
    files = [str(file) for file in pictures.test.captions["file"].iloc[: len(images)]]
    if not len(images):
        return as_arrays([], [], []), draw(images, [], [])
    words, maps = look(network, tokenizer, images, captioner.config["max_tokens"], parameters.beams)
    return as_arrays(files, words, maps), draw(images, words, maps)


def _write(
    parameters: CaptionerParameters, run: RunParameters, captioner: ModelBundle, images: Images
) -> list[str]:
    network, tokenizer = _load(captioner)
    return write_captions(
        network,
        tokenizer,
        images,
        captioner.config["max_tokens"],
        beams=parameters.beams,
        device=resolve_device(run),
    )


def _load(captioner: ModelBundle) -> tuple[Captioner, Tokenizer]:
    network = load_network(captioner)
    assert isinstance(network, Captioner)
    return network, tokenizer_of(captioner)
