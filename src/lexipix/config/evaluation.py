"""Parameters of the evaluation."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from lexipix.config.run import Parameters
from lexipix.config.training import TrainingParameters


class EvaluatorParameters(Parameters):
    """The evaluator, a contrastive pair with a split of its own (``evaluation.evaluator.*``).

    Attributes:
        channels: Of the image encoder at 1/2, 1/4 and 1/8 of the side.
        blocks: Residual blocks at each of the three scales.
        embed_dim: Length of the embeddings of images and captions.
        text_width: Width of the text encoder, a multiple of 32.
        text_depth: Layers of the text encoder.
        vocabulary: Token ids at most; 258 are bytes, padding and the end.
        max_tokens: Longer captions are cut.
        words_weight: Weight of predicting the caption's words, beside the contrastive loss.
        flip: Random horizontal flips; only if captions name no side.
        augmentations: For few images: any of ``jitter`` (small rotations, scales, shifts, changes of color),
            ``color``, ``translation``, ``cutout``; nothing that captions name.
        held_out_share: Share of the judge split that chooses the best weights.
        min_captioned: If fewer images of the judge split have a caption, the captioner of the run writes the
            others; 0: never.
        seed_offset: Added to ``run.seed``, so that the evaluator shares no random number with other models.
    """

    channels: tuple[int, int, int]
    blocks: tuple[int, int, int]
    embed_dim: int = Field(ge=8, le=2048)
    text_width: int = Field(ge=32, le=2048, multiple_of=32)
    text_depth: int = Field(ge=1, le=24)
    vocabulary: int = Field(ge=258, le=65_536)
    max_tokens: int = Field(ge=4, le=1_024)
    words_weight: float = Field(ge=0)
    flip: bool
    augmentations: tuple[Literal["jitter", "color", "translation", "cutout"], ...]
    held_out_share: float = Field(gt=0, le=0.5)
    min_captioned: int = Field(ge=0)
    seed_offset: int = Field(ge=1)
    training: TrainingParameters

    @field_validator("channels", "blocks")
    @classmethod
    def _positive(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(value) < 1:
            raise ValueError("all three numbers must be at least 1")
        return value


class ClassifierParameters(Parameters):
    """The second evaluator, for images that have classes (``evaluation.classifier.*``).

    Attributes:
        n_drawn: Test captions at most that every model draws an image from for the classifier; null trains no
            classifier.
        cas_images: Images seen by a classifier that is trained on a model's images alone, for its accuracy on
            real ones (arXiv 1905.10887); null trains none.
        cas_drawn: Images of a model that it is trained on, and as many real ones for comparison; if more than
            the test captions, these are drawn from again with other noise. Null: one for each.
        min_images: Training images that a class must have to count.
        width: Channels of the first convolution.
        weight_decay: Of convolutions and head.
        flip: Random horizontal flips in training, and a mean over both in use; only if no class is a side.
        training: On real images; the shorter trainings on drawn images have the same batches and rates.
    """

    n_drawn: int | None = Field(ge=2)
    cas_images: int | None = Field(ge=1)
    cas_drawn: int | None = Field(ge=2)
    min_images: int = Field(ge=1)
    width: int = Field(ge=1, le=512)
    weight_decay: float = Field(ge=0)
    flip: bool
    training: TrainingParameters


class MemorizationParameters(Parameters):
    """Whether models repeat training images (``evaluation.memorization.*``).

    Attributes:
        n_drawn: Drawn images of each model whose nearest training images are found, and as many real images.
        n_train: Training images to search at most, evenly spaced; null takes all.
        n_shown: Rows of the sheet: one half nearest of all, the other half evenly spaced.
    """

    n_drawn: int = Field(ge=2)
    n_train: int | None = Field(ge=3)
    n_shown: int = Field(ge=1, le=100)


class RateParameters(Parameters):
    """Quality over bits of the direct path, beside JPEG and WebP (``evaluation.rate.*``).

    Attributes:
        n_images: Test images at most, evenly spaced; null measures none.
        bits: Bits for each number of a latent, one point of a curve each.
        steps: Quantization steps in standard deviations of the posterior, one point of another curve each.
        qualities: Of JPEG and WebP, one point each.
    """

    n_images: int | None = Field(ge=1)
    bits: tuple[Annotated[int, Field(ge=1, le=16)], ...] = Field(min_length=1)
    steps: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    qualities: tuple[Annotated[int, Field(ge=0, le=100)], ...] = Field(min_length=1)


class InformationParameters(Parameters):
    """Quality over the information given about an image (``evaluation.information.*``).

    Attributes:
        n_images: Test images at most, evenly spaced; null measures none.
        spacings: Distances, in both directions, of cells whose first token alone is given, one point each;
            then follow the first token of all cells, and the other tokens.
        steps: Of the direct path, as ``evaluation.rate.steps``.
    """

    n_images: int | None = Field(ge=1)
    spacings: tuple[Literal[2, 4, 8], ...]
    steps: tuple[Annotated[float, Field(gt=0)], ...]

    @field_validator("spacings")
    @classmethod
    def _decreasing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value), reverse=True):
            raise ValueError(f"evaluation.information.spacings = {list(value)} must decrease")
        return value


class EvaluationParameters(Parameters):
    """Parameters of the pipeline ``evaluation`` (``evaluation.*``).

    Attributes:
        evaluator: The network that judges.
        classifier: A second one, for images that have classes.
        memorization: Whether models repeat training images.
        rate: Bits of the direct path.
        information: Quality over the information given about an image.
        n_images: Test images to evaluate, evenly spaced; null takes all.
        n_candidates: Captions that R-precision chooses among; fewer if there are fewer different ones.
        kid_subsets: Random subsets that the kernel distance is averaged over.
        kid_subset_size: Images in each.
        n_shown: Fixed test images in the report.
        n_extremes: Best and worst images in the report.
        n_prompts: True captions of training and of test images that every model draws from, evenly spaced,
            for R-precision; 0 measures none.
        batch_size: Images per batch of a network.
    """

    evaluator: EvaluatorParameters
    classifier: ClassifierParameters
    memorization: MemorizationParameters
    rate: RateParameters
    information: InformationParameters
    n_images: int | None = Field(ge=4)
    n_candidates: int = Field(ge=2)
    n_prompts: int = Field(ge=0)
    kid_subsets: int = Field(ge=1)
    kid_subset_size: int = Field(ge=2)
    n_shown: int = Field(ge=1, le=100)
    n_extremes: int = Field(ge=1, le=100)
    batch_size: int = Field(ge=1, le=8192)
