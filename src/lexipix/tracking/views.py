"""The description and the saved views of an experiment in the MLflow UI.

A saved view is a tag of the experiment, in the format of the menu ``Views`` of MLflow 3.17.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lexipix.tracking.stores import open_store
from lexipix.utils.errors import LexipixError
from lexipix.utils.project_paths import store_exists
from lexipix.utils.terminal import inert

VIEW_TAG = "mlflow.sharedViewState."
PICTURES, METRICS = "pictures", "metrics"
_NOTE = "mlflow.note.content"
_TRAINING = "workflowType=machine_learning"  # otherwise a new browser opens the UI's GenAI part
_CREATED = 1_767_225_600_000  # the same in every store: milliseconds at the start of 2026

# The metrics in the list of runs: one or two of each stage, for every source of images
COLUMNS = (
    "direct.psnr",
    "direct.ssim",
    "captioner.cider_d",
    "text.champion.ssim",
    "text.champion.r_precision",
    "text.champion.kid",
    "speed.champion.images_per_s",
)
# Columns that are always shown, with their widths in pixels; the width of a heading's letter
_ALWAYS, _LETTER = {"attributes.`Run Name`": 200, "runDateAndNestInfo": 140, "duration": 80}, 7
# Section -> keys of images, and the number of cards in a row; a card has one image for each run
SECTIONS: Mapping[str, tuple[Sequence[str], int]] = {
    "Test pictures": (("evaluation/paths", "evaluation/reconstructions"), 1),
    "While training": (
        tuple(f"{name}/samples" for name in ("vae", "prior", "gan", "tokens", "small", "pruned")),
        1,
    ),
    "More": (("captioner/attention", "compression/frontier", "ingestion/sample", "generation/prompts"), 2),
}
_CARD_HEIGHT = 400  # pixels; an image takes 256 of them


def experiment_tags(experiment_id: str) -> dict[str, str]:
    """The tags that make an experiment show images and metrics first; its description links to them."""
    return {
        # Without it the UI hides the charts of a training.
        "mlflow.experimentKind": "custom_model_development",
        f"{VIEW_TAG}{PICTURES}": _view("Pictures side by side", _state() | _charts()),
        f"{VIEW_TAG}{METRICS}": _view("Metrics", _state()),
        _NOTE: (
            f"[Pictures side by side]({link(experiment_id, PICTURES, 'CHART')}) · "
            f"[metrics in a table]({link(experiment_id, METRICS, 'TABLE')})"
        ),
    }


def link(experiment_id: str, view: str, mode: str) -> str:
    """The address of the view ``PICTURES`` or ``METRICS`` inside the UI, as ``CHART`` or as ``TABLE``."""
    return f"#/experiments/{experiment_id}/runs?{_TRAINING}&viewStateShareKey={view}&compareRunsMode={mode}"


def run_links(experiment_id: str, run_id: str, pages: Mapping[str, str]) -> str:
    """The links at the top of a run's description; ``pages`` maps names to artifacts that the UI shows."""
    artifacts = f"#/experiments/{experiment_id}/runs/{run_id}/artifacts"
    links = [f"[{name}]({artifacts}/{place}?{_TRAINING})" for name, place in pages.items()]
    return " · ".join([*links, f"[pictures beside other runs]({link(experiment_id, PICTURES, 'CHART')})"])


def addresses(store: str, server: str) -> dict[str, str]:
    """The start page in the UI at ``server`` of each experiment of lexipix in a store, by its name.

    Raises:
        LexipixError: The store exists and cannot be used.
    """
    if not store_exists(store):
        return {}
    experiments = open_store(store).search_experiments(order_by=["name"])
    return {
        experiment.name: f"{server}/{link(experiment.experiment_id, PICTURES, 'CHART')}"
        for experiment in experiments
        if f"{VIEW_TAG}{PICTURES}" in experiment.tags
    }


def _view(name: str, state: Mapping[str, Any]) -> str:
    text = json.dumps(state, separators=(",", ":"))
    return json.dumps({"name": name, "createdAt": _CREATED, "state": text}, separators=(",", ":"))


def _state() -> dict[str, Any]:
    widths = dict(_ALWAYS) | {f"metrics.`{name}`": _LETTER * len(name) + 24 for name in COLUMNS}
    return {
        "selectedColumns": [name for name in widths if name not in _ALWAYS],
        "columnOrder": list(widths),
        "columnWidths": widths,
    }


def _charts() -> dict[str, Any]:
    sections = [
        {
            "uuid": name.lower().replace(" ", "-"),
            "name": name,
            "display": True,
            "isReordered": False,
            "columns": columns,
            "cardHeight": _CARD_HEIGHT,
        }
        for name, (_, columns) in SECTIONS.items()
    ]
    charts = [
        {
            "type": "IMAGE",
            "uuid": key,
            "metricSectionId": name.lower().replace(" ", "-"),
            "imageKeys": [key],
            "step": 0,
            "showRunParams": False,
            "runsCountToCompare": 10,
            "deleted": False,
            "isGenerated": False,
        }
        for name, (keys, _) in SECTIONS.items()
        for key in keys
    ]
    return {"compareRunSections": sections, "compareRunCharts": charts, "isAccordionReordered": True}


if __name__ == "__main__":
    try:
        for name, address in addresses(*sys.argv[1:]).items():
            print(f"  {name}: {address}", flush=True)  # noqa: T201
    except LexipixError as error:
        sys.exit(inert(str(error)))
