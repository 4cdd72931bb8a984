"""The text of an image that a command is given."""

from pathlib import Path
from typing import TYPE_CHECKING

from lexipix.cli.files import text_beside
from lexipix.cli.output import show_warnings

if TYPE_CHECKING:
    from lexipix.config.ingestion import IngestionParameters
    from lexipix.inference.onnx_generator import OnnxGenerator


def text_of_image(
    image: Path, text: str | None, generator: "OnnxGenerator", parameters: "IngestionParameters"
) -> tuple[str | None, str]:
    """The given text, or that beside the image, and where it comes from; None if a captioner must write it.

    It is checked, and what will not be drawn well is shown.
    """
    from lexipix.inference.prompt_checks import check_prompt

    source = "given"
    if text is None and (beside := text_beside(image, parameters)):
        text, source = beside
    if text is None:
        return None, "captioner"
    checked = check_prompt(text, generator)
    show_warnings([checked.warning] if checked.warning else [])
    return checked.text, source
