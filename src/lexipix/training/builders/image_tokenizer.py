"""The training of the image tokenizer that the parameters describe."""

from typing import Any

from lexipix.config.run import RunParameters
from lexipix.config.tokens import ImageTokenizerParameters
from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.training.builders.common import TrainingSetup, image_shape, pca_sample
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.image_tokenizer import ImageTokenizerTask
from lexipix.utils.errors import LexipixError
from lexipix.utils.seeding import seeded
from lexipix.utils.types import ImageSplits


def build_image_tokenizer(
    run: RunParameters, parameters: ImageTokenizerParameters, image_splits: ImageSplits
) -> TrainingSetup:
    """Return an image tokenizer on all training images, with captions or without, and its training.

    It is an error if the levels make more values of a cell than it has pixel values.
    """
    images = image_splits.train.images
    validation = image_splits.val.images if len(image_splits.val.images) else images
    config: dict[str, Any] = {
        **image_shape(image_splits),
        "levels": [list(group) for group in parameters.levels],
        "width": parameters.width,
        "depth": parameters.depth,
    }
    with seeded(run.seed):
        tokenizer = ImageTokenizer(**config)
    n_values, n_most = sum(map(len, parameters.levels)), config["image_channels"] * tokenizer.encoder.patch**2
    if n_values > n_most:
        raise LexipixError(
            f"generator.tokens.tokenizer.levels makes {n_values} values of a cell, and a cell of images of "
            f"{config['image_size']} pixels has only {n_most}: list fewer levels."
        )
    tokenizer.init_from_pca(pca_sample(images))
    task = ImageTokenizerTask(tokenizer, images, validation, parameters, resolve_device(run))
    return TrainingSetup(task, tokenizer, config, parameters, bundle=image_shape(image_splits))
