"""Trains the captioner: a language model that reads the image encoder's output and writes captions."""

import pandas as pd

from lexipix.config.captioner import CaptionerParameters
from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import for_training
from lexipix.training.builders.captioner import LanguageModels, make_captioner
from lexipix.training.bundles import fingerprint, to_bundle
from lexipix.training.loop import train
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.captioner import CaptionerTask
from lexipix.utils.seeding import seeded
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle


def run_captioner_training(
    parameters: CaptionerParameters,
    run: RunParameters,
    pictures: ImageSplits,
    contrastive_pair: ModelBundle,
    pretrained_models: LanguageModels,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> tuple[ModelBundle, pd.DataFrame]:
    """Trains a language model on the captions of the training images.

    Returns:
        The captioner with its tokenizer, and the curves of its training.
    """
    device = resolve_device(run)
    digest = pictures.digest
    learn, validate = for_training(pictures.train, pictures.val, "captioner")
    with seeded(run.seed):
        network, config, tokenizer = make_captioner(parameters, contrastive_pair, pretrained_models)
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
        learning_rate=parameters.training.learning_rate,
        encoder_learning_rate=parameters.training.learning_rate * parameters.finetune_image_encoder,
        freeze_language_model=parameters.language_model.frozen,
        text_only_share=parameters.text_only_share,
        augment=parameters.augment,
        flip=parameters.flip,
        device=device,
    )
    result = train(
        task,
        parameters.training,
        run,
        name="captioner",
        key="captioner.training",
        fingerprint=fingerprint(parameters, run, digest, contrastive_pair),
        stream=stream,
        checkpoints=checkpoints,
    )
    bundle = to_bundle(
        "captioner",
        network,
        config,
        tokenizer=tokenizer,
        max_tokens=max_tokens,
        card_parameters=parameters,
        data_digest=digest,
        figures=result.metrics,
        image_size=contrastive_pair.config["image_size"],
        known_words=contrastive_pair.config["known_words"],
    )
    return bundle, pd.DataFrame(result.curves)
