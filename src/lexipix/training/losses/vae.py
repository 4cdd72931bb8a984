"""The loss of the VAE as a pure function."""

from torch import Tensor


def vae_loss(
    images: Tensor, reconstruction: Tensor, mean: Tensor, logvar: Tensor, decoder_variance: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the negative evidence lower bound of a Gaussian decoder, times twice its fixed variance.

    With images on [0, 1] and decoder variance s2 the bound is ``SE / (2 s2) + KL`` (Kingma and Welling,
    arXiv 1312.6114); per pixel value and times ``2 s2`` this is ``MSE + 2 s2 KL / n``, in units of squared
    error for any s2. A fixed s2 caps PSNR near ``-10 log10(s2)``. Images are (B, C, S, S) in [-1, 1], mean
    and log-variance of the posterior (B, Z, G, G).

    Returns:
        The loss, the MSE on [0, 1], and the KL divergence in nats per image; all scalars.
    """
    mse = (reconstruction.float() - images.float()).square().mean() / 4
    logvar, mean = logvar.float(), mean.float()
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).flatten(1).sum(1).mean()
    return mse + 2 * decoder_variance * kl / images[0].numel(), mse, kl
