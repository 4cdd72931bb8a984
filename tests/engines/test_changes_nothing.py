"""Where a run works is part of no fingerprint and of no stage of DVC."""

import yaml
from tests.support.project import REPOSITORY

from lexipix.pipeline_registry import register_pipelines


def test_no_node_reads_the_parameters_of_the_engine():
    """Fingerprints, tracked parameters and DVC's stages are made of what nodes read."""
    for pipeline in register_pipelines().values():
        for node in pipeline.nodes:
            assert not [name for name in node.inputs if name.startswith("params:engine")], node.name
            assert "parameters" not in node.inputs


def test_dvc_knows_neither_the_parameters_nor_the_folder_of_parts():
    text = (REPOSITORY / "dvc.yaml").read_text(encoding="utf-8")
    stages = yaml.safe_load(text)["stages"]
    assert "parameters_engine" not in text and "02_intermediate/parts" not in text
    assert all("engine" not in str(stage["do"].get("params")) for stage in stages.values())
    assert all("src/lexipix/engines" in str(stage["do"]["deps"]) for stage in stages.values())
