"""Fits a :class:`RandomFeatureRegressor` by ridge regression from captions to latents."""

import logging
import math

import torch
from torch import Tensor

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import ImageRows
from lexipix.models.random_features import RandomFeatureRegressor
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Encoder

logger = logging.getLogger(__name__)

BATCH = 256
SUM_BATCH = 1024  # adding to a matrix of all features squared costs as much as computing it for so many rows
# Explained fraction of the latents' variance, on 8,444 emoji and on test captions, which name unseen things.
# One wording each without a style, 4,096 features, equal directions; the mean of each caption's images
# explains 0.569:
#   ridge 0.01: training 0.545, test -0.72; 0.05: 0.517 and -0.17.
# Captions that name the style (random vectors in place of hidden states, principal components in place of
# latents, 2,048 features):
#   ridge 0.05, equal directions: 0.515 and -0.202; weighted 0.02: 0.608 and -0.068; 0.01: 0.615 and -0.155.
# 29,326 wordings in two languages, with the style and without, of 7,420 images; training captions with it:
#   4,096 features, ridge 0.02, kernel width 1: 0.591; 8,192 features: 0.704; and ridge 0.01: 0.733;
#   and kernel width 0.7: 0.762; and 12,288 features: 0.851.
RIDGE = 0.01  # of the features' mean square, added to each
# As many features as wordings are the worst number: the fit interpolates every caption and oscillates between
# them (double descent; Belkin et al. 2019, arXiv 1812.11118). 337 captions of 337 scenes, test captions:
#   1 feature for each: -2.33 (training 0.953); 2: -0.72; 4: -0.21; 8: -0.055 (1.000); a half of one: -0.55.
FEATURES_PER_WORDING = 8  # well beyond the peak; more were not tried
# Without a style, ridge 0.05, directions down to 0.0001: training 0.526, test -0.35; 0.001: 0.517 and -0.17.
NEGLIGIBLE = 1e-3  # fraction of the captions' largest variance below which a direction is left out
ROUNDING = 1e-9  # fraction of the captions' mean square that rounding of sums may reach
MIN_WEIGHT = 0.01  # of a direction that predicts nothing, as a fraction of the mean
# At 1 two random captions have a similarity of exp(-1). At 0.5, one wording each: training 0.533, test -0.23.
KERNEL_WIDTH = 0.7  # in standard deviations of the whitened captions


@torch.no_grad()
def fit_random_features(
    model: TextToImage,
    encoder: Encoder,
    images: ImageRows,
    captions: CaptionRows,
    device: torch.device,
    primary_caption_prob: float = 0.0,
) -> None:
    """Fit the random features of a model's prior to every training image and every wording of its caption.

    The random weights that the regressor has are the directions of its features in the space of whitened
    captions. Each image counts once, however many wordings it has: the first one has ``primary_caption_prob``
    of its weight by itself, and all share the rest.
    """
    regressor = model.prior.random_features
    assert regressor is not None
    model.to(device).eval()
    encoder.to(device).eval()
    logger.info("prior: fitting random features to %s captions", f"{captions.n_captions:,}")
    texts = [
        regressor.pool(*model.encode_text(captions.select(some))).cpu()
        for some in torch.arange(captions.n_captions).split(BATCH)
    ]
    latents = [encoder(images[rows])[0].flatten(1).cpu() for rows in torch.arange(len(images)).split(BATCH)]
    image_of_wording = torch.arange(len(images)).repeat_interleave(captions.counts)
    weights = ((1 - primary_caption_prob) / captions.counts.double())[image_of_wording]
    weights[captions.starts] += primary_caption_prob
    fit(regressor, torch.cat(texts), torch.cat(latents)[image_of_wording], weights)
    regressor.to(device)


@torch.no_grad()
def fit(regressor: RandomFeatureRegressor, texts: Tensor, latents: Tensor, weights: Tensor) -> None:
    """Whiten the features' directions, then solve the ridge regression from features to latents.

    Captions that are all equal, as of a folder with one class, give the mean latent. ``texts`` (N, T) are
    from :meth:`RandomFeatureRegressor.pool`, latents (N, D), and ``weights`` (N,) above zero.
    """
    regressor.cpu()
    features, readout = regressor.projection, regressor.readout
    shares = weights.double() / weights.double().sum()
    mean = shares @ texts.double()
    centred = texts.double() - mean
    values, axes = torch.linalg.eigh(centred.T @ (centred * shares[:, None]))
    latent_mean = shares @ latents.double()
    if values[-1] <= ROUNDING * (shares @ texts.double().square()).sum():
        readout.weight.zero_()
        readout.bias.copy_(latent_mean)
        return
    scales = torch.where(values > NEGLIGIBLE * values[-1], values.clamp_min(1e-30).rsqrt(), 0.0)
    # Unlike whitening by the axes alone, this one does not depend on the signs that eigh leaves open
    whiten = axes * scales @ axes.T
    width_in, rank = features.in_features, int((scales > 0).sum())
    stretch = direction_weights(centred @ whiten, latents, shares, rank)
    # torch drew weights and bias uniformly within 1 / sqrt(T); now variance 1 / rank, and a whole turn
    directions = features.weight.double() * (3 * width_in / rank) ** 0.5 / KERNEL_WIDTH @ stretch @ whiten
    phases = (features.bias.double() * width_in**0.5 + 1) * math.pi
    features.bias.copy_(phases - directions @ mean)
    features.weight.copy_(directions)

    feature_mean = torch.zeros(features.out_features).double()
    for text, share in zip(texts.split(SUM_BATCH), shares.split(SUM_BATCH), strict=True):
        feature_mean += share @ regressor.features(text).double()
    square = torch.zeros(features.out_features, features.out_features).double()
    cross = torch.zeros(features.out_features, readout.out_features).double()
    rows = (part.split(SUM_BATCH) for part in (texts, latents.float(), shares))
    for text, target, share in zip(*rows, strict=True):  # fp32 batches, fp64 sums
        x = regressor.features(text) - feature_mean.float()
        weighted = (x * share[:, None].float()).T
        square += weighted @ x
        cross += weighted @ (target - latent_mean.float())
    square.diagonal().add_(RIDGE * square.diagonal().mean())
    solution = torch.linalg.solve(square, cross)
    readout.weight.copy_(solution.T)
    readout.bias.copy_(latent_mean - feature_mean @ solution)


def direction_weights(texts: Tensor, latents: Tensor, shares: Tensor, rank: int) -> Tensor:
    """Return a matrix that stretches directions of whitened captions by how well they predict latents.

    A kernel treats all whitened directions alike, and the one word that separates two styles of the same
    thing is a few of hundreds. The outer product of the gradients of a first, linear fit weighs them
    (Radhakrishnan et al. 2024, arXiv 2212.13881, of which this is the first round).

    ``texts`` are whitened, (N, T), zero on average, and differ in ``rank`` directions; the weights ``shares``
    of the rows (N,) are 1 in all. The matrix (T, T) is symmetric, with a root mean square of 1 over those
    directions.
    """
    slopes = torch.zeros(()).double()
    for x, y, share in zip(*(rows.split(BATCH) for rows in (texts, latents, shares)), strict=True):
        slopes = slopes + (x * share[:, None]).T @ y.double()  # whitened, so that this is the linear fit
    values, axes = torch.linalg.eigh(slopes @ slopes.T)
    values = values.clamp_min(0)
    weights = (values / values[-rank:].mean().clamp_min(1e-30) + MIN_WEIGHT).sqrt()
    weights = weights / weights[-rank:].square().mean().sqrt()
    stretch: Tensor = axes * weights @ axes.T
    return stretch
