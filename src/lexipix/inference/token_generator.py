"""The image-token generator. It has no exported form and needs torch."""

from lexipix.inference.torch_pipeline import TorchGenerator
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.training.bundles import load_network
from lexipix.utils.errors import LexipixError
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ModelBundle


class TokenImageGenerator(TorchGenerator):
    """Draws images of prompts by sampling image tokens.

    Making one raises a LexipixError if the ``tokens_to_image`` was not trained.
    """

    def __init__(self, model: ModelBundle) -> None:
        if is_skipped(model):
            raise LexipixError(
                f"The generator 'tokens' is not trained here: {model.config['because']}. Set it to true and "
                "run `kedro run --pipelines generator --tags image_tokenizer,tokens`, or choose --model vae "
                "or gan."
            )
        super().__init__(model, load_network(model, TokensToImage), model.config)
