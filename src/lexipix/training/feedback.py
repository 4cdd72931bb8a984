"""Feedback from validation to a training, by the contrastive pair and never by the evaluator."""

import torch
from torch import Tensor

from lexipix.config.generator import FeedbackParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.training.generator_validation import GeneratorValidation
from lexipix.training.tasks.base import Feedback

RIDGE = 10.0  # of the token effects: about the variance of a failure over that of a token's effect
MAX_RATIO = 4.0  # a caption's failure rate is estimated within this factor of the mean
MIN_FRACTION = 1e-4  # resampled fraction below which the rows are sampled evenly
CHUNK = 8192  # captions scored at a time


class ValidationFeedback(Feedback):
    """Resamples captions that fail and lowers the learning rate on a plateau.

    A caption fails as often as the contrastive pair takes its generated image for another caption's, beyond
    what it does for the real image. A linear model of the caption's tokens extends this from the validation
    to the training captions.
    """

    def __init__(
        self, parameters: FeedbackParameters, captions: CaptionRows, validation: GeneratorValidation
    ) -> None:
        self.parameters, self.captions, self.validation = parameters, captions, validation
        self.keep_best = parameters.keep_best

    def on_validation(self, learns: bool, bad_validations: int) -> dict[str, float]:
        generated, real = self.validation.failure_rates()
        patience = self.parameters.plateau_patience
        if learns:
            self._resample((generated - real).clamp_min(0))
            if patience and bad_validations and bad_validations % patience == 0:
                lowered = self.lr_factor * self.parameters.lr_factor
                self.lr_factor = max(lowered, self.parameters.min_lr_factor)
        return {"failure_rate": float(generated.mean()), "lr_factor": self.lr_factor}

    def _resample(self, failures: Tensor) -> None:
        mean = float(failures.mean())
        self.resampled_fraction = min(self.parameters.resampled_fraction, mean)
        if self.resampled_fraction < MIN_FRACTION:
            self.sampling_cdf = None
            return
        ids = self.validation.captions.primary(torch.arange(len(failures))).cpu()
        effects = token_effects(ids, failures, self.captions.pad_id)
        rates = [
            expected_failure_rate(self.captions.primary(rows).cpu(), effects, mean)
            for rows in torch.arange(len(self.captions)).split(CHUNK)
        ]
        cumulative = torch.cat(rates).cumsum(0)
        self.sampling_cdf = cumulative / cumulative[-1]


def token_effects(ids: Tensor, failures: Tensor, pad_id: int) -> Tensor:
    """Return how much each token of captions (M, L) adds to their failure rates (M,), by ridge regression.

    The result, float64, is by token id up to the largest that occurs, then a zero that stands for all others.
    """
    known, numbers = ids.unique(return_inverse=True)
    counts = torch.zeros(len(ids), len(known), dtype=torch.float64)
    counts.scatter_add_(1, numbers, (ids != pad_id).double())
    failures = failures.cpu().double()
    # Solved in the space of captions, not of tokens: a pretrained tokenizer has tens of thousands
    kernel = counts @ counts.T + RIDGE * torch.eye(len(ids), dtype=torch.float64)
    solved = counts.T @ torch.linalg.solve(kernel, failures - failures.mean())
    effects = torch.zeros(int(known[-1]) + 2, dtype=torch.float64)
    effects[known] = solved
    return effects


def expected_failure_rate(ids: Tensor, effects: Tensor, mean: float) -> Tensor:
    """Return the failure rate of captions ``ids`` (B, L), within :data:`MAX_RATIO` of the mean: (B,)."""
    rates: Tensor = mean + effects[ids.clamp(max=len(effects) - 1)].sum(1)
    return rates.clamp(mean / MAX_RATIO, mean * MAX_RATIO)
