"""Which generator draws: a family, and the form of its network."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OnnxModel

WHOLE = "onnx_fp32"  # the variant that is no form beside the whole network


class Choice(NamedTuple):
    """A generator: its family, and the form that is drawn with; None is the whole network in fp32."""

    family: str
    form: str | None

    @property
    def name(self) -> str:
        """For lists and sheets: the family, and the form if it is not the whole network."""
        return self.family if self.form is None else f"{self.family} {self.form}"

    def among(self, whole: Mapping[str, OnnxModel], forms: Mapping[str, OnnxModel]) -> OnnxModel:
        """The model that is meant, of the families' whole networks and the champion's forms."""
        return whole[self.family] if self.form is None else forms[self.form]


def choose(champion: Mapping[str, Any], model: str = "champion", budget: str = "balanced") -> Choice:
    """Say which generator a wish means; smaller forms exist of the champion's family only.

    Args:
        champion: What the compression chose.
        model: ``champion``, or a family.
        budget: ``fast``, ``balanced`` or ``best``.

    Raises:
        LexipixError: An earlier version made the choice.
    """
    if "budgets" not in champion:
        raise LexipixError(
            "champion.json was written by an earlier version and knows no budgets: run "
            "`kedro run --pipelines compression` again."
        )
    family: str = champion["family"] if model == "champion" else model
    variant = champion["budgets"][budget] if family == champion["family"] else WHOLE
    return Choice(family, None if variant == WHOLE else variant)
