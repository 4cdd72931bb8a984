"""Training of the text prior: regression from caption to latent, with one or several noise vectors."""

import torch
from torch import Tensor

from lexipix.config.generator import PriorParameters
from lexipix.data.images import ImageRows, random_hflip
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Decoder, Encoder
from lexipix.training.generator_validation import GeneratorData
from lexipix.training.losses.latents import channel_weights, latent_errors
from lexipix.training.muon import Muon
from lexipix.training.tasks.base import Metrics, NetworkTask, SampleGrid, trainable


class PriorTask(NetworkTask):
    """Trains the prior of a :class:`TextToImage`; language model, VAE encoder and decoder stay as they are.

    With several candidates each noise vector may specialize (implicit maximum likelihood, IMLE, arXiv
    1809.09087); one candidate is plain regression to the mean.
    """

    def __init__(
        self,
        model: TextToImage,
        encoder: Encoder,
        data: GeneratorData,
        parameters: PriorParameters,
        flip: bool,
    ) -> None:
        self.model, self.encoder = model, encoder.eval().requires_grad_(False)
        model.requires_grad_(False).eval()
        model.prior.train()
        model.prior.requires_grad_(True)
        training, n_images = parameters.training, len(data.images)
        optimizer = Muon(model, [{"params": trainable(model.prior)}], training.learning_rate, 0.98, 0.02)
        super().__init__("prior", model.prior, optimizer, n_images, training.gradient_accumulation_steps)
        self.modules = {"prior": model.prior, "fixed": model, "encoder": self.encoder}
        device = data.captions.device
        self.images, self.captions = ImageRows(data.images, device), data.captions
        self.validation, self.parameters, self.flip = data.validation, parameters, flip
        assert isinstance(model.decoder, Decoder)  # of the VAE whose encoder gives the targets
        self.channel_weights = channel_weights(model.decoder).to(device)

    def losses(self, rows: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        images = self.images[rows]
        if self.flip:
            images = random_hflip(images, torch.rand(len(rows)))
        with torch.no_grad():
            target = self.encoder(images)[0].float()
            ids = self.captions.sample(rows, self.parameters.primary_caption_prob)
            encoding = self.model.encode_text(ids)
        n_candidates = self.parameters.imle_candidates
        noise = torch.randn(n_candidates, len(rows), self.model.noise_dim, device=images.device)

        # A caption's plan is the same for every noise vector; only the drawing is repeated
        prior = self.model.prior
        plan = prior.condition(*encoding)

        def errors(noise: Tensor) -> Tensor:
            return latent_errors(prior.sample_latents(plan, noise), target, self.channel_weights)

        best = noise[0]
        if n_candidates > 1:  # find the nearest candidate without gradients, then train it alone
            with torch.no_grad():
                nearest = torch.stack([errors(candidate) for candidate in noise]).argmin(0)
                best = noise[nearest, torch.arange(len(rows))]
        loss = errors(best).mean()
        return loss, {"loss": loss}

    def validate(self) -> dict[str, float]:
        return self.validation.metrics(self.model)

    def sample_grid(self) -> SampleGrid:
        return self.validation.sample_grid(self.model)
