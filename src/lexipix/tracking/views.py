"""What the MLflow UI shows first of an experiment: its description, and two views of its runs.

Left to itself the UI shows neither a figure in the list of runs nor a picture without all parameters above
it. A saved view is a tag of the experiment; the format is that of MLflow 3.17's ``Views`` menu.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from lexipix.utils.project_paths import is_begun

VIEW_TAG = "mlflow.sharedViewState."
PICTURES, FIGURES = "pictures", "figures"
_NOTE = "mlflow.note.content"
_TRAINING = "workflowType=machine_learning"  # else a new browser opens the part of the UI for chatbots
_CREATED = 1_767_225_600_000  # the same in every store: milliseconds at the start of 2026

# The figures in the list of runs: one or two of each stage, wherever the pictures come from
COLUMNS = (
    "direct.psnr",
    "direct.ssim",
    "captioner.cider_d",
    "text.champion.ssim",
    "text.champion.r_precision",
    "text.champion.kid",
    "speed.champion.images_per_s",
)
# Columns that are there anyway, with their widths in pixels; and what a letter of a heading takes
_ALWAYS, _LETTER = {"attributes.`Run Name`": 200, "runDateAndNestInfo": 140, "duration": 80}, 7
# Section -> keys of pictures, and how many cards stand in a row; a card has a picture for each run
SECTIONS: Mapping[str, tuple[Sequence[str], int]] = {
    "Test pictures": (("evaluation/paths", "evaluation/reconstructions"), 1),
    "While training": (
        tuple(f"{name}/samples" for name in ("vae", "prior", "gan", "words", "small", "pruned")),
        1,
    ),
    "More": (("captioner/attention", "compression/frontier", "ingestion/sample", "generation/prompts"), 2),
}
_CARD_HEIGHT = 400  # pixels: a picture takes 256 of them


def experiment_tags(experiment_id: str) -> dict[str, str]:
    """Give the tags that make an experiment show pictures and figures first.

    Args:
        experiment_id: For the links in its description.
    """
    return {
        # Without it the UI takes the experiment for one with chatbots and hides the charts of a training.
        "mlflow.experimentKind": "custom_model_development",
        f"{VIEW_TAG}{PICTURES}": _view("Pictures side by side", _state() | _charts()),
        f"{VIEW_TAG}{FIGURES}": _view("Figures", _state()),
        _NOTE: (
            f"[Pictures side by side]({link(experiment_id, PICTURES, 'CHART')}) · "
            f"[figures in a table]({link(experiment_id, FIGURES, 'TABLE')})"
        ),
    }


def link(experiment_id: str, view: str, mode: str) -> str:
    """Give the address of a view inside the UI.

    Args:
        experiment_id: The experiment.
        view: ``PICTURES`` or ``FIGURES``.
        mode: ``CHART`` for charts and pictures, ``TABLE`` for the list.
    """
    return f"#/experiments/{experiment_id}/runs?{_TRAINING}&viewStateShareKey={view}&compareRunsMode={mode}"


def run_links(experiment_id: str, run_id: str, pages: Mapping[str, str]) -> str:
    """Give the links that a run's description begins with.

    Args:
        experiment_id: Of the run.
        run_id: The run.
        pages: Name -> artifact that the UI shows as a page or a table.
    """
    artifacts = f"#/experiments/{experiment_id}/runs/{run_id}/artifacts"
    links = [f"[{name}]({artifacts}/{place}?{_TRAINING})" for name, place in pages.items()]
    return " · ".join([*links, f"[pictures beside other runs]({link(experiment_id, PICTURES, 'CHART')})"])


def addresses(store: str, server: str) -> dict[str, str]:
    """Give the page that each of our experiments is best opened at.

    Args:
        store: The tracking store's address.
        server: The UI's.

    Returns:
        Address by experiment; nothing for a store that has none of ours, or is not there yet.
    """
    if not is_begun(store):
        return {}
    import mlflow

    experiments = mlflow.MlflowClient(tracking_uri=store).search_experiments(order_by=["name"])
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
    sections, charts = [], []
    for name, (keys, columns) in SECTIONS.items():
        section = name.lower().replace(" ", "-")
        sections.append(
            {
                "uuid": section,
                "name": name,
                "display": True,
                "isReordered": False,
                "columns": columns,
                "cardHeight": _CARD_HEIGHT,
            }
        )
        charts += [
            {
                "type": "IMAGE",
                "uuid": key,
                "metricSectionId": section,
                "imageKeys": [key],
                "step": 0,
                "showRunParams": False,
                "runsCountToCompare": 10,
                "deleted": False,
                "isGenerated": False,
            }
            for key in keys
        ]
    return {"compareRunSections": sections, "compareRunCharts": charts, "isAccordionReordered": True}


if __name__ == "__main__":
    for name, address in addresses(*sys.argv[1:]).items():
        print(f"  {name}: {address}", flush=True)  # noqa: T201
