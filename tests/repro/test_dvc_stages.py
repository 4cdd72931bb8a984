"""DVC's stages are what `kedro dvc sync` makes of the Kedro pipelines, the catalog and the imports."""

import shutil
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner
from tests.support.project import REPOSITORY

from lexipix.cli.dvc import sync
from lexipix.config.pipelines import DEFAULT
from lexipix.pipeline_registry import register_pipelines
from lexipix.repro import dvc_stages
from lexipix.repro.dvc_stages import RESOURCES, commands, environments, nodes_of, place
from lexipix.utils.errors import LexipixError

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


def content(project, env="base"):
    return yaml.safe_load(place(project, env).read_text(encoding="utf-8"))


def change(project, do, env="base"):
    changed = content(project, env)
    do(changed["stages"])
    place(project, env).write_text(yaml.safe_dump(changed, sort_keys=False), encoding="utf-8")


def test_every_stage_declares_what_its_nodes_do():
    answer = CliRunner().invoke(sync, ["--check"], obj=SimpleNamespace(project_path=REPOSITORY))
    assert answer.exit_code == 0, answer.output


def test_every_environment_with_data_of_its_own_has_its_stages(project):
    assert sorted(environments(project)) == sorted(ENVIRONMENTS)
    whole = sorted(node.name for node in register_pipelines()[DEFAULT].nodes)
    for env in ENVIRONMENTS:
        stages = content(project, env)["stages"]
        assert {name: stage["cmd"] for name, stage in stages.items()} == commands(env)
        ran = sorted(node.name for stage in stages.values() for node in nodes_of(stage["cmd"]))
        assert ran == whole, "every node of the main job runs in exactly one stage"
        if env != "base":
            assert all(stage["wdir"] == "../.." for stage in stages.values())
            assert all(f"data/{env}/" in out for stage in stages.values() for out in stage["outs"])
    params = {next(iter(one)): one for one in content(project, "cifar10")["stages"]["ingestion"]["params"]}
    assert params["conf/cifar10/parameters_ingestion.yml"] == {
        "conf/cifar10/parameters_ingestion.yml": ["ingestion"]
    }


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


def test_drift_is_named_and_mended(project, run):
    def do(one):
        one["ingestion"]["deps"].remove("src/lexipix/scenes")
        one["ingestion"]["deps"].append("data/09")
        one["ingestion"]["outs"].pop()
        one["ingestion"]["params"].pop()
        one["captioner"].update(cmd="kedro run")
        one.pop("features")
        one.update(old={"cmd": "kedro run --pipelines x"})

    before = content(project)
    change(project, do)
    answer = run("--check")
    assert answer.exit_code == 1
    assert [line for line in answer.output.splitlines() if line.startswith("dvc.yaml: ")] == [
        "dvc.yaml: there is no stage features",
        "dvc.yaml: old: no pipeline is run by it any more",
        "dvc.yaml: ingestion: deps lack src/lexipix/scenes",
        "dvc.yaml: ingestion: deps name data/09 without need",
        "dvc.yaml: ingestion: params lack ingestion of conf/base/parameters_ingestion.yml",
        "dvc.yaml: ingestion: outs lack data/03_primary/summary.json",
        "dvc.yaml: captioner: cmd is 'kedro run' instead of 'kedro run --pipelines captioner'",
    ]
    assert content(project) != before, "only checked"
    assert run().exit_code == 0
    assert content(project) == before
    again = run("--check")
    assert again.exit_code == 0 and "are as the pipelines are" in again.output


def test_a_module_that_a_stage_begins_to_import_is_told(project, run, monkeypatch):
    whole = dvc_stages.used_modules
    monkeypatch.setattr(
        dvc_stages, "used_modules", lambda module: whole(module) | {"lexipix.training.losses.gan"}
    )
    answer = run("--check")
    assert "ingestion: deps lack src/lexipix/training/losses/gan.py" in answer.output


def test_what_is_written_by_hand_stays(project, run):
    def do(stages):
        stages["ingestion"] |= {"desc": "Pictures, ready: to learn from", "frozen": True}
        stages["ingestion"]["outs"][1] = {"data/03_primary/rejects.csv": {"cache": False}}
        stages["ingestion"]["deps"].pop()
        stages["own"] = {"cmd": "python own.py", "deps": ["data/08_reporting/report.html"]}

    change(project, do)
    path = place(project, "base")
    path.write_text("# mine\n# and yours\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert run().exit_code == 0
    assert path.read_text(encoding="utf-8").startswith(
        "# mine\n# and yours\nstages:\n  ingestion:\n    cmd: "
    )
    stages = content(project)["stages"]
    assert stages["ingestion"]["desc"] == "Pictures, ready: to learn from" and stages["ingestion"]["frozen"]
    assert {"data/03_primary/rejects.csv": {"cache": False}} in stages["ingestion"]["outs"]
    assert stages["own"] == {"cmd": "python own.py", "deps": ["data/08_reporting/report.html"]}
    written = path.read_bytes()
    assert run().exit_code == 0 and path.read_bytes() == written


def test_a_file_that_cannot_be_read_is_told_and_left(project, run):
    place(project, "base").write_text("stages: [", encoding="utf-8")
    answer = run()
    assert answer.exit_code == 1 and "is not valid YAML" in answer.output and "sync again" in answer.output
    assert place(project, "base").read_text(encoding="utf-8") == "stages: ["


@pytest.mark.parametrize("command", ["python x.py", "kedro run --nodes a", "kedro run --pipelines nothing"])
def test_a_command_that_runs_no_pipeline_is_refused(command):
    with pytest.raises(LexipixError, match="runs no pipeline"):
        nodes_of(command)
