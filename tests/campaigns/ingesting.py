"""One ingestion of a folder, and what became of each of its images."""

import time
from collections.abc import Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from tests.campaigns.findings import Findings
from tests.support.parameters import section

from lexipix.cli.errors import sentence
from lexipix.datasets.image_store import ImageStoreDataset
from lexipix.datasets.pretrained import PretrainedModelsDataset
from lexipix.datasets.sources import entry_reading
from lexipix.datasets.sources.sources import SourcesDataset
from lexipix.pipelines.ingestion.nodes import describe_images, ingest
from lexipix.utils.types import SPLITS

SIDE = 32


def ingest_folder(
    work: Path, findings: Findings, changes: dict[str, Any] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Run the ingestion's nodes on ``work / "images"``.

    Returns:
        Captions of all splits, and rejects; None if the ingestion ended with a sentence.
    """
    changes = changes or {}
    source = {"kind": "folder", "path": "images", **changes.get("source", {})}
    own = {"image_size": SIDE, "max_reject_share": 1.0, "workers": 2}
    parameters = section("ingestion", own | changes | {"source": source})
    store = ImageStoreDataset(filepath=str(work / "store"))
    with _timed(findings):
        try:
            stream = ingest(
                parameters,
                section("run"),
                SourcesDataset(path=str(work)).load(),
                PretrainedModelsDataset(path=str(work)).load(),
            )
            store.save(stream)
            splits = store.load()
            describe_images(splits)
        except Exception as error:
            if (said := sentence(error)) is None:
                raise
            findings.outcomes["sentence"] += 1
            findings.check_leftovers(work)
            if "\n" in said.strip():
                findings.faults.append(f"more than a sentence: {said}")
            return None
    findings.check_leftovers(work)
    side = splits.summary["image_size"]
    images = [splits[name].images for name in SPLITS]
    if wrong := [one.shape for one in images if len(one) and one.shape[1:3] != (side, side)]:
        findings.faults.append(f"images of {wrong}")
    return pd.concat([splits[name].captions for name in SPLITS]), splits.rejects


def account(findings: Findings, files: Iterable[str], captions: pd.DataFrame, rejects: pd.DataFrame) -> None:
    """Every file is an image or a reject."""
    images, rejected = set(captions["file"]), set(rejects["file"].str.removeprefix("'"))
    for file in files:
        shown = file.encode("utf-8", "backslashreplace").decode()
        names = {shown, shown.removeprefix("'")}
        if names & images:
            findings.outcomes["result"] += 1
        elif names & rejected or any(file.startswith(name) for name in rejected if name.endswith("/")):
            findings.outcomes["reject"] += 1
        else:
            findings.faults.append(f"{shown}: neither an image nor a reject")


def unaccounted(files: Iterable[str], captions: pd.DataFrame, rejects: pd.DataFrame) -> list[str]:
    """Faults of files that are neither, where the whole ingestion counts as one outcome."""
    findings = Findings()
    account(findings, files, captions, rejects)
    return findings.faults


@contextmanager
def _timed(findings: Findings):
    read = entry_reading.read_image

    def timed(path, parameters):
        start = time.perf_counter()
        try:
            return read(path, parameters)
        finally:
            findings.check_time(str(path)[-40:], time.perf_counter() - start)

    entry_reading.read_image = timed
    try:
        yield
    finally:
        entry_reading.read_image = read
