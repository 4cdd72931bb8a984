"""The image-token generator. It has no exported form and needs torch."""

from collections.abc import Sequence
from typing import ClassVar

import torch

from lexipix.data.images import to_uint8
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.inference.onnx_session import Pixels, Vectors
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.training.bundles import load_network
from lexipix.utils.errors import LexipixError
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.threads import on_all_cores
from lexipix.utils.types import ModelBundle, OnnxModel


class TokenImageGenerator(OnnxGenerator):
    """Draws images of prompts by sampling image tokens.

    As with the exported generators, an image depends neither on the other images nor on the number of cores:
    each is drawn alone, on one thread, and images are distributed over the cores. Making one raises a
    LexipixError if the ``tokens_to_image`` was not trained.
    """

    graphs: ClassVar[Sequence[str]] = ()

    def __init__(self, model: ModelBundle) -> None:
        if is_skipped(model):
            raise LexipixError(
                f"The generator 'tokens' is not trained here: {model.config['because']}. Set it to true and "
                "run `kedro run --pipelines generator --tags image_tokenizer,tokens`, or choose --model vae "
                "or gan."
            )
        network = load_network(model, TokensToImage)
        config = {**model.config, "noise_dim": network.noise_dim}
        super().__init__(OnnxModel(config, {}, model.tokenizer, model.card))
        self._network = network

    def _generate(self, prompts: Sequence[str], noise: Vectors, pixels: Pixels) -> None:
        """Fill ``pixels``."""

        def draw(row: int) -> None:
            torch.set_num_threads(1)  # torch keeps this number for each thread
            ids = torch.from_numpy(self.token_ids(prompts[row]))
            with torch.inference_mode():
                image = self._network(ids, torch.from_numpy(noise[row : row + 1]))
            pixels[row] = to_uint8(image)[0]

        n_threads = torch.get_num_threads()
        try:
            on_all_cores(draw, range(len(prompts)))
        finally:
            torch.set_num_threads(n_threads)
