"""The loop while training: what validation says of the drawings changes how the training goes on.

At each report, from the drawings that it looks at anyway: captions that fail are drawn more often, the
weights of losses react to what has become worse, and the learning rate falls where nothing improves any more.
What fails is told by the image encoder of the contrastive pair, which takes part in the training, never by
the evaluator. The whole state is part of a checkpoint and is sent to the other processes.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lexipix.config.generator import LoopParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.training.generator_validation import GeneratorValidation
from lexipix.training.losses.energy import energy_distance
from lexipix.training.losses.gan import ALIGNMENT_SCALE
from lexipix.training.schedule import rows_of_step
from lexipix.training.steady import Steady

RIDGE = 10.0  # of the words' effects: about a failure's variance over that of a word's effect
MOST_OFTEN = 4.0  # a caption is drawn again at most so many times as often as the average, or as seldom
FEWEST = 1e-4  # share of a batch, or mean chance of failing, below which rows come in turn
AGAIN = 1  # tells the random numbers of rows that are drawn again from other ones of the same step
CHUNK = 8192  # captions scored at a time


class Real(NamedTuple):
    """What real pictures of validation captions come to, beside their drawings.

    Attributes:
        vectors: Of the image encoder, (M, V).
        found: Whether each picture's own caption is the nearest, (M,).
        failures: The chance of each to be taken for another caption's, (M,).
    """

    vectors: Tensor
    found: Tensor
    failures: Tensor


class ValidationFeedback(Steady):
    """Reacts to reports; made anew it changes nothing until the first one.

    Args:
        parameters: How strongly.
        captions: Of the training pictures.
        validation: Whose drawings are watched.
        weights: Of the losses that react, by the name of the task's attribute: ``alignment`` grows while
            fewer drawings fit their captions than real pictures do, ``adversarial`` shrinks while drawings
            have become worse.
        faithful: Drawings are meant to resemble the captions' own pictures: a lower PSNR is worse, and the
            training's own objective chooses the best weights. Otherwise these are chosen by how the drawings
            are spread beside real pictures, and by how many fit their captions.
    """

    def __init__(
        self,
        parameters: LoopParameters,
        captions: CaptionRows,
        validation: GeneratorValidation,
        *,
        weights: Mapping[str, float] | None = None,
        faithful: bool = True,
    ) -> None:
        self.parameters, self.captions, self.validation = parameters, captions, validation
        self.weights = dict(weights or {})
        self.faithful = faithful
        self.keep_best = parameters.keep_best
        self.factors = dict.fromkeys(self.weights, 1.0)
        self.rate, self.without_gain = 1.0, 0
        self.best: dict[str, float] = {}
        self.cumulated: Tensor | None = None
        self.share = 0.0
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._real: dict[int, Real] = {}  # by the first row
        validation.watch = self.watch

    # What a step asks for

    def rows(self, images_seen: int, batch_size: int, n_rows: int, seed: int) -> Tensor:
        """As :func:`rows_of_step`, but a share of the places, evenly spread, is for captions that fail.

        Returns:
            int64 (batch_size,), a pure function of the arguments and of the last report.
        """
        rows = rows_of_step(images_seen, batch_size, n_rows, seed)
        if self.cumulated is None:
            return rows
        passed = np.floor(np.arange(batch_size + 1) * self.share)
        again = torch.from_numpy(np.diff(passed) > 0)
        drawn = np.random.default_rng((seed, images_seen, AGAIN)).random(int(again.sum()))
        failing = np.searchsorted(self.cumulated.numpy(), drawn, side="right").clip(max=n_rows - 1)
        rows[again] = torch.from_numpy(failing)
        return rows

    # What a report tells

    def watch(self, rows: Tensor, drawn: Tensor, vectors: Tensor) -> None:
        """Remember the drawings of some validation captions; see :class:`GeneratorValidation`."""
        first = int(rows[0])
        if first == 0:
            self._seen = []
        if first not in self._real:
            real = self.validation.encoder(self.validation.images[rows]).embedding.float()
            self._real[first] = Real(
                real, self._found(rows, real, vectors), self._failures(rows, real, vectors)
            )
        self._seen.append((drawn, self._failures(rows, drawn, vectors)))

    def react(self, task: Any, figures: Mapping[str, float], learns: bool) -> dict[str, float]:
        """Change what the next steps do.

        Args:
            task: Whose weights of losses react.
            figures: Of the report: ``val_objective``, and ``val_psnr`` and ``val_alignment``.
            learns: Whether the model does by now; until then nothing reacts.

        Returns:
            What is to be reported beside or instead of them: ``failing``, the mean chance that a drawing is
            taken for another caption's; the factors that hold from now on; unless ``faithful`` also
            ``val_distance``, of the drawings' vectors to those of real pictures, and ``val_objective``.
        """
        drawn, failures = (torch.cat(some) for some in zip(*self._seen, strict=True))
        real = Real(*(torch.cat(some) for some in zip(*self._real.values(), strict=True)))
        behind = float(real.found.mean()) - figures["val_alignment"]
        added: dict[str, float] = {}
        if not self.faithful:
            distance = energy_distance(drawn, real.vectors)
            added = {"val_distance": distance, "val_objective": distance + max(0.0, behind)}
        lost = {name: self._lost(name, figures) for name in ("val_alignment", "val_psnr")}
        if learns:
            self._draw_again((failures - real.failures).clamp_min(0))
            self._weigh(behind, lost)
            self._slow_down(added.get("val_objective", figures["val_objective"]))
            self._apply(task)
        factors = {f"{name}_factor": factor for name, factor in self.factors.items()}
        return {**added, "failing": float(failures.mean()), "rate_factor": self.rate, **factors}

    def _apply(self, task: Any) -> None:
        for name, weight in self.weights.items():
            setattr(task, name, weight * self.factors[name])

    def _draw_again(self, failures: Tensor) -> None:
        """Draw rows by what fails beyond what real pictures do: no larger a share of a batch than that is."""
        mean = float(failures.mean())
        self.share = min(self.parameters.share, mean)
        if self.share < FEWEST:
            self.cumulated = None
            return
        ids = self.validation.captions.primary(torch.arange(len(failures))).cpu()
        effects = effects_of_words(ids, failures, self.captions.pad_id)
        chances = [
            expected(self.captions.primary(rows).cpu(), effects, mean)
            for rows in torch.arange(len(self.captions)).split(CHUNK)
        ]
        cumulated = torch.cat(chances).cumsum(0)
        self.cumulated = cumulated / cumulated[-1]

    def _weigh(self, behind: float, lost: Mapping[str, float]) -> None:
        own = self.parameters
        worse = lost["val_alignment"] > own.tolerance
        worse |= self.faithful and lost["val_psnr"] > own.tolerance_db
        moves = {
            "alignment": own.reaction if behind > own.tolerance else None,
            "adversarial": 1 / own.reaction if worse else None,
        }
        for name, factor in self.factors.items():
            move = moves[name]
            if move is None:  # back to what was wanted
                move = min(own.reaction, 1 / factor) if factor < 1 else max(1 / own.reaction, 1 / factor)
            self.factors[name] = min(max(factor * move, 1 / own.limit), own.limit)

    def _lost(self, name: str, figures: Mapping[str, float]) -> float:
        """How much lower than its best a figure is."""
        self.best[name] = max(self.best.get(name, figures[name]), figures[name])
        return self.best[name] - figures[name]

    def _slow_down(self, objective: float) -> None:
        own = self.parameters
        if objective < self.best.get("objective", np.inf):
            self.best["objective"], self.without_gain = objective, 0
            return
        self.without_gain += 1
        if own.plateau and self.without_gain >= own.plateau:
            self.rate, self.without_gain = max(self.rate * own.slower, 1 / own.limit), 0

    def _same(self, rows: Tensor) -> Tensor:
        groups = self.validation.groups[rows]
        return groups[:, None] == groups[None]

    def _failures(self, rows: Tensor, pictures: Tensor, vectors: Tensor) -> Tensor:
        """The chance of each picture to be taken for another caption's, (B,)."""
        own = (ALIGNMENT_SCALE * pictures @ vectors.T).softmax(1).cpu() * self._same(rows)
        return 1 - own.sum(1)

    def _found(self, rows: Tensor, pictures: Tensor, vectors: Tensor) -> Tensor:
        """Whether each picture's own caption is the nearest, (B,)."""
        groups = self.validation.groups[rows]
        return (groups[(pictures @ vectors.T).argmax(1).cpu()] == groups).float()

    # Checkpoints and other processes

    def pack(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors = {} if self.cumulated is None else {"steering/cumulated": self.cumulated}
        state = {
            "factors": self.factors, "rate": self.rate, "without_gain": self.without_gain, "share": self.share
        }  # fmt: skip
        return tensors, {**state, "best": self.best}

    def unpack(self, task: Any, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        kept = tensors.get("steering/cumulated")
        self.cumulated = None if kept is None else kept.cpu().clone()
        self.factors, self.best = dict(meta["factors"]), dict(meta["best"])
        self.rate, self.without_gain, self.share = meta["rate"], meta["without_gain"], meta["share"]
        self._apply(task)


def effects_of_words(ids: Tensor, failures: Tensor, pad_id: int) -> Tensor:
    """How much each word of a caption adds to the chance that its drawing fails (ridge regression).

    Args:
        ids: Token ids of captions, (M, L).
        failures: (M,), 0 to 1.
        pad_id: Padding, which has no effect.

    Returns:
        float64 by token id, up to the largest that occurs, and a last one, zero, for all others.
    """
    known, numbers = ids.unique(return_inverse=True)
    counts = torch.zeros(len(ids), len(known), dtype=torch.float64)
    counts.scatter_add_(1, numbers, (ids != pad_id).double())
    failures = failures.cpu().double()
    # As many unknowns as captions, not as words: a pretrained tokenizer has tens of thousands
    kernel = counts @ counts.T + RIDGE * torch.eye(len(ids), dtype=torch.float64)
    solved = counts.T @ torch.linalg.solve(kernel, failures - failures.mean())
    effects = torch.zeros(int(known[-1]) + 2, dtype=torch.float64)
    effects[known] = solved
    return effects


def expected(ids: Tensor, effects: Tensor, mean: float) -> Tensor:
    """Expected chance of failing of captions ``ids`` (B, L), within :data:`MOST_OFTEN` of the mean: (B,)."""
    chances: Tensor = mean + effects[ids.clamp(max=len(effects) - 1)].sum(1)
    return chances.clamp(mean / MOST_OFTEN, mean * MOST_OFTEN)
