"""Fits a :class:`RandomFeatureRegressor` by ridge regression from captions to latents."""

import logging
import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import ImageRows
from lexipix.models.random_features import RandomFeatureRegressor
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Encoder

logger = logging.getLogger(__name__)

BATCH = 256
SUM_BATCH = 1024  # adding to a square of all features costs as much as making it of so many rows
# Shares of the latents' variance that are explained of 8,444 emoji, and of test captions, which name things
# never seen. One wording each without a style, 4,096 features, no emphasis; the mean of each caption's
# pictures explains 0.569:
#   ridge 0.01: training 0.545, test -0.72; 0.05: 0.517 and -0.17.
# Captions that name the style (random vectors in place of words' states, principal components in place of
# latents, 2,048 features):
#   ridge 0.05 without emphasis: 0.515 and -0.202; with it 0.02: 0.608 and -0.068; 0.01: 0.615 and -0.155.
# 29,326 wordings in two languages, with the style and without, of 7,420 pictures; training captions with it:
#   4,096 features, ridge 0.02, kernel width 1: 0.591; 8,192 features: 0.704; and ridge 0.01: 0.733;
#   and kernel width 0.7: 0.762; and 12,288 features: 0.851.
RIDGE = 0.01  # of the features' mean square, added to each
# As many features as wordings are the worst number: the fit passes through every caption and swings between
# them (double descent; Belkin et al. 2019, arXiv 1812.11118). 337 captions of 337 scenes, test captions:
#   1 feature for each: -2.33 (training 0.953); 2: -0.72; 4: -0.21; 8: -0.055 (1.000); a half of one: -0.55.
FEATURES_PER_WORDING = 8  # far enough behind the peak; more were not tried
# Without a style, ridge 0.05, directions down to 0.0001: training 0.526, test -0.35; 0.001: 0.517 and -0.17.
NEGLIGIBLE = 1e-3  # share of the captions' largest variance below which a direction is left out
ROUNDING = 1e-9  # share of the captions' mean square that sums taken in another order may come to
LEAST_EMPHASIS = 0.01  # of a direction that tells nothing, as a share of the mean
# At 1 two captions taken at random are exp(-1) alike. At 0.5, one wording each: training 0.533, test -0.23.
KERNEL_WIDTH = 0.7  # in standard deviations of the whitened captions


@torch.no_grad()
def remember(
    model: TextToImage,
    encoder: Encoder,
    images: ImageRows,
    captions: CaptionRows,
    device: torch.device,
    canonical_share: float = 0.0,
) -> None:
    """Solve the memory of a model's prior on every training picture and every wording of its caption.

    Args:
        model: Its prior's memory is changed in place; the random weights that it has say in which directions
            of the whitened captions its features look.
        encoder: Of the VAE.
        images: Training pictures.
        captions: Their wordings. Each picture counts once, however many it has.
        device: Where to work.
        canonical_share: Share of a picture's weight that its first wording has by itself; all wordings share
            the rest.
    """
    memory = model.prior.random_features
    assert memory is not None
    model.to(device).eval()
    encoder.to(device).eval()
    logger.info("prior: remembering what %s captions look like", f"{captions.n_captions:,}")
    described = [
        memory.pool(*model.encode_text(captions.select(some))).cpu()
        for some in torch.arange(captions.n_captions).split(BATCH)
    ]
    latents = [encoder(images[rows])[0].flatten(1).cpu() for rows in torch.arange(len(images)).split(BATCH)]
    of_pictures = torch.arange(len(images)).repeat_interleave(captions.counts)
    weights = ((1 - canonical_share) / captions.counts.double())[of_pictures]
    weights[captions.starts] += canonical_share
    solve(memory, torch.cat(described), torch.cat(latents)[of_pictures], weights)
    memory.to(device)


@torch.no_grad()
def solve(
    memory: RandomFeatureRegressor, texts: Tensor, latents: Tensor, weights: Tensor | None = None
) -> None:
    """Whiten the features' directions, then solve the map from features to latents.

    Captions that all say the same, as of a folder with one class, give the mean latent.

    Args:
        memory: On the CPU or brought there; changed in place.
        texts: What :meth:`Memory.describe` gave, (N, T).
        latents: (N, D).
        weights: How much each row counts, (N,), above zero; None: all alike.
    """
    memory.cpu()
    features, recall = memory.projection, memory.readout
    shares = torch.ones(len(texts)).double() if weights is None else weights.double()
    shares = shares / shares.sum()
    mean = shares @ texts.double()
    centred = texts.double() - mean
    values, axes = torch.linalg.eigh(centred.T @ (centred * shares[:, None]))
    latent_mean = shares @ latents.double()
    if values[-1] <= ROUNDING * (shares @ texts.double().square()).sum():
        recall.weight.zero_()
        recall.bias.copy_(latent_mean)
        return
    scales = torch.where(values > NEGLIGIBLE * values[-1], values.clamp_min(1e-30).rsqrt(), 0.0)
    # Unlike whitening by the axes alone, this one does not depend on the signs that eigh leaves open
    whiten = axes * scales @ axes.T
    width_in, kept = features.in_features, int((scales > 0).sum())
    emphasis = emphasise(centred @ whiten, latents, shares, kept)
    # torch drew weights and bias uniformly within 1 / sqrt(T); now variance 1 / kept, and a whole turn
    directions = features.weight.double() * (3 * width_in / kept) ** 0.5 / KERNEL_WIDTH @ emphasis @ whiten
    phases = (features.bias.double() * width_in**0.5 + 1) * math.pi
    features.bias.copy_(phases - directions @ mean)
    features.weight.copy_(directions)

    feature_mean = torch.zeros(features.out_features).double()
    for batch, share in zip(_in_batches(memory, texts), shares.split(SUM_BATCH), strict=True):
        feature_mean += share @ batch.double()
    square, cross = _moments(
        (batch - feature_mean.float() for batch in _in_batches(memory, texts)),
        (batch - latent_mean.float() for batch in latents.float().split(SUM_BATCH)),
        shares.split(SUM_BATCH),
        ((features.out_features, features.out_features), (features.out_features, recall.out_features)),
    )
    square.diagonal().add_(RIDGE * square.diagonal().mean())
    solution = torch.linalg.solve(square, cross)
    recall.weight.copy_(solution.T)
    recall.bias.copy_(latent_mean - feature_mean @ solution)


def emphasise(texts: Tensor, latents: Tensor, shares: Tensor, kept: int) -> Tensor:
    """Stretch the directions of whitened captions by how much they tell of the latents.

    To a kernel all whitened directions are alike, and the one word that tells two styles of the same thing
    apart is a few of hundreds. The outer product of the gradients of a first, linear fit weighs them
    (Radhakrishnan et al. 2024, arXiv 2212.13881, of which this is the first round).

    Args:
        texts: Whitened, (N, T), zero on average.
        latents: (N, D).
        shares: How much each row counts, (N,), 1 in all.
        kept: Directions in which the captions differ.

    Returns:
        (T, T), symmetric; 1 on average over those directions (root mean square).
    """
    slopes = torch.zeros(()).double()
    for x, y, share in zip(*(rows.split(BATCH) for rows in (texts, latents, shares)), strict=True):
        slopes = slopes + (x * share[:, None]).T @ y.double()  # whitened, so that this is the linear fit
    tells, axes = torch.linalg.eigh(slopes @ slopes.T)
    tells = tells.clamp_min(0)
    stretched = (tells / tells[-kept:].mean().clamp_min(1e-30) + LEAST_EMPHASIS).sqrt()
    stretched = stretched / stretched[-kept:].square().mean().sqrt()
    emphasis: Tensor = axes * stretched @ axes.T
    return emphasis


def _in_batches(memory: RandomFeatureRegressor, texts: Tensor) -> Iterator[Tensor]:
    """The features of captions, a batch at a time: all of them at once would need gigabytes."""
    return (memory.features(batch) for batch in texts.split(SUM_BATCH))


def _moments(
    batches: Iterable[Tensor],
    others: Iterable[Tensor],
    shares: Iterable[Tensor],
    sizes: tuple[tuple[int, int], tuple[int, int]],
) -> tuple[Tensor, Tensor]:
    """Means of x xᵀ and x yᵀ, of these sizes, over weighted rows; a batch in float32, sums in float64."""
    square, cross = (torch.zeros(size, dtype=torch.float64) for size in sizes)
    for x, y, share in zip(batches, others, shares, strict=True):
        weighted = (x * share[:, None].float()).T
        square += weighted @ x
        cross += weighted @ y
    return square, cross
