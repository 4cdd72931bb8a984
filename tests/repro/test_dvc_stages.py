"""DVC's stages are what `kedro dvc sync` makes of the Kedro pipelines, the catalog and the imports."""

import shutil
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner
from kedro.config import OmegaConfigLoader
from tests.support.project import REPOSITORY

from lexipix.cli.dvc import sync
from lexipix.config.pipelines import DEFAULT
from lexipix.pipeline_registry import register_pipelines
from lexipix.repro import dvc_stages
from lexipix.repro.dvc_stages import KedroProject
from lexipix.repro.import_graph import RESOURCES
from lexipix.settings import CONFIG_LOADER_ARGS

ENVIRONMENTS = ("base", "cifar10", "folder", "smoke")


@pytest.fixture
def project(tmp_path):
    """What the stages are written from, and the stages as they are in the repository."""
    for name in ("conf", "src"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def run(project):
    def go(*arguments):
        return CliRunner().invoke(sync, arguments, obj=SimpleNamespace(project_path=project))

    return go


def content(project):
    return yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))


def change(project, do):
    """Changes the stages by hand."""
    changed = content(project)
    do({name: stage.get("do", stage) for name, stage in changed["stages"].items()}, changed)
    (project / "dvc.yaml").write_text(yaml.safe_dump(changed, sort_keys=False), encoding="utf-8")


def test_every_stage_declares_what_its_nodes_do():
    answer = CliRunner().invoke(sync, ["--check"], obj=SimpleNamespace(project_path=REPOSITORY))
    assert answer.exit_code == 0, answer.output


def test_every_environment_with_data_of_its_own_has_all_stages(project):
    def configure(env):
        return OmegaConfigLoader(conf_source=str(project / "conf"), env=env, **CONFIG_LOADER_ARGS)

    kedro = KedroProject(project, register_pipelines(), configure)
    environments = content(project)["vars"][0]["environments"]
    assert sorted(environments) == sorted(kedro.environments) == sorted(ENVIRONMENTS)
    data = {env: "data" if env == "base" else f"data/{env}" for env in ENVIRONMENTS}
    assert {env: values["data"] for env, values in environments.items()} == data
    stages = content(project)["stages"]
    commands = {name: options for name, (options, _) in kedro.commands().items()}
    for name, stage in stages.items():
        assert stage["foreach"] == "${environments}"
        assert stage["do"]["cmd"] == f"kedro run --env ${{key}} {commands.pop(name)}"
        assert all(out.startswith("${item.data}/") for out in stage["do"]["outs"])
    assert not commands
    ran = sorted(node.name for _, nodes in kedro.commands().values() for node in nodes)
    whole = sorted(node.name for node in register_pipelines()[DEFAULT].nodes)
    assert ran == whole, "every node of the default run belongs to exactly one stage"
    params = [next(iter(one.items())) for one in stages["ingestion"]["do"]["params"]]
    assert ("conf/${key}/parameters_ingestion.yml", ["ingestion"]) in params


def test_parameter_files_hold_literals_only():
    """DVC locks an interpolation as text: a change of what it stands for would go unnoticed."""
    for path in sorted((REPOSITORY / "conf").rglob("parameters*.yml")):
        assert "${" not in path.read_text(encoding="utf-8"), path


def test_what_is_no_module_is_some_modules_resource():
    files = {
        file.relative_to(REPOSITORY).as_posix()
        for file in (REPOSITORY / "src/lexipix").rglob("*")
        if file.is_file() and file.suffix not in {".py", ".pyc"} and file.name != "py.typed"
    }
    assert files
    assert all(any(file.startswith(f"{folder}/") for folder in RESOURCES.values()) for file in files), files


def test_drift_is_named_and_fixed(project, run):
    def do(stages, whole):
        stages["ingestion"]["deps"].remove("src/lexipix/datasets/sources")
        stages["ingestion"]["deps"].append("data/09")
        stages["ingestion"]["outs"].pop()
        stages["ingestion"]["params"].pop()
        stages["captioner"].update(cmd="kedro run")
        whole["stages"].pop("features")
        whole["stages"]["old"] = {"cmd": "kedro run --pipelines x"}
        whole["vars"][0]["environments"]["smoke"]["data"] = "elsewhere"

    before = content(project)
    change(project, do)
    answer = run("--check")
    assert answer.exit_code == 1
    assert [line for line in answer.output.splitlines() if line.startswith("dvc.yaml: ")] == [
        "dvc.yaml: vars: data of smoke is 'elsewhere' instead of 'data/smoke'",
        "dvc.yaml: the stage features is missing",
        "dvc.yaml: old: no pipeline has this stage",
        "dvc.yaml: ingestion: deps lacks src/lexipix/datasets/sources",
        "dvc.yaml: ingestion: deps has data/09, which is not needed",
        "dvc.yaml: ingestion: params lacks run of conf/${item.run}/parameters.yml",
        "dvc.yaml: ingestion: outs lacks ${item.data}/03_primary/summary.json",
        "dvc.yaml: captioner: cmd is 'kedro run' instead of 'kedro run --env ${key} --pipelines captioner'",
    ]
    assert content(project) != before, "only checked"
    assert run().exit_code == 0
    assert content(project) == before
    again = run("--check")
    assert again.exit_code == 0 and "agrees with the pipelines" in again.output


def test_a_module_that_a_stage_starts_to_import_is_reported(run, monkeypatch):
    modules = dvc_stages.modules_of_function
    monkeypatch.setattr(
        dvc_stages, "modules_of_function", lambda *names: modules(*names) | {"lexipix.training.losses.gan"}
    )
    answer = run("--check")
    assert "ingestion: deps lacks src/lexipix/training/losses/gan.py" in answer.output


def test_what_is_written_by_hand_stays(project, run):
    def do(stages, whole):
        stages["ingestion"] |= {"desc": "Images, ready: to learn from", "frozen": True}
        stages["ingestion"]["outs"][1] = {"${item.data}/03_primary/rejects.csv": {"cache": False}}
        stages["ingestion"]["deps"].pop()
        whole["stages"]["own"] = {"cmd": "python own.py", "deps": ["data/08_reporting/report.html"]}
        whole["vars"].append({"mine": 1})

    change(project, do)
    path = project / "dvc.yaml"
    path.write_text("# mine\n# and yours\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert run().exit_code == 0
    assert path.read_text(encoding="utf-8").startswith("# mine\n# and yours\nvars:\n  - environments:\n")
    after = content(project)
    stage = after["stages"]["ingestion"]["do"]
    assert stage["desc"] == "Images, ready: to learn from" and stage["frozen"]
    assert {"${item.data}/03_primary/rejects.csv": {"cache": False}} in stage["outs"]
    assert after["stages"]["own"] == {"cmd": "python own.py", "deps": ["data/08_reporting/report.html"]}
    assert {"mine": 1} in after["vars"]
    written = path.read_bytes()
    assert run().exit_code == 0 and path.read_bytes() == written


def test_a_file_that_cannot_be_read_is_reported_and_left(project, run):
    (project / "dvc.yaml").write_text("stages: [", encoding="utf-8")
    answer = run()
    assert answer.exit_code == 1
    assert "is not valid YAML" in answer.output and "run `kedro dvc sync`" in answer.output
    assert (project / "dvc.yaml").read_text(encoding="utf-8") == "stages: ["
