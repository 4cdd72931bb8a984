"""``kedro dvc sync``: dvc.yaml agrees with the pipelines, the catalog, the parameters and the imports."""

import shutil
from types import SimpleNamespace

import pytest
import yaml
from click.testing import CliRunner
from kedro.config import OmegaConfigLoader
from tests.support.dvc_project import STAGES
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
    """The files that the stages are computed from, and dvc.yaml as it is in the repository."""
    for name in ("conf", "src"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "dvc.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def run(project):
    def go(*arguments):
        return CliRunner().invoke(sync, arguments, obj=SimpleNamespace(project_path=project))

    return go


@pytest.fixture(scope="module")
def kedro():
    def configure(env):
        return OmegaConfigLoader(conf_source=str(REPOSITORY / "conf"), env=env, **CONFIG_LOADER_ARGS)

    return KedroProject(REPOSITORY, register_pipelines(), configure)


def content(project):
    return yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))


def change(project, do):
    changed = content(project)
    do(changed)
    (project / "dvc.yaml").write_text(yaml.safe_dump(changed, sort_keys=False), encoding="utf-8")


def test_the_repositorys_file_agrees_with_the_pipelines_and_is_short():
    answer = CliRunner().invoke(sync, ["--check"], obj=SimpleNamespace(project_path=REPOSITORY))
    assert answer.exit_code == 0, answer.output
    assert len((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8").splitlines()) <= 500


def test_every_node_of_the_default_run_is_in_one_stage(kedro):
    commands = kedro.commands()
    assert sorted(commands) == sorted(STAGES)
    nodes = sorted(node.name for _, nodes in commands.values() for node in nodes)
    assert nodes == sorted(node.name for node in register_pipelines()[DEFAULT].nodes)
    assert commands["generator_vae"][0] == "--pipelines generator --tags vae"


def test_every_environment_with_its_own_data_has_every_stage(kedro):
    assert sorted(kedro.environments) == sorted(ENVIRONMENTS)
    variables = kedro.variables()
    assert {env: values["data"] for env, values in variables.items()} == {
        "base": "data", **{env: f"data/{env}" for env in ENVIRONMENTS[1:]},
    }  # fmt: skip
    assert variables["cifar10"]["source"] == "data/01_raw/cifar-10-python.tar.gz"
    assert variables["smoke"]["run"] == "smoke" and variables["cifar10"]["run"] == "base"


def test_parameters_are_those_of_the_base_environment_and_of_the_stages_own(kedro):
    params = kedro.stages()["generator_prior"]["do"]["params"]
    assert {"conf/${key}/parameters_generator.yml": ["generator.prior"]} in params, "every environment's"
    assert {"conf/${item.run}/parameters.yml": ["run"]} in params, "of some environments"
    (base,) = [keys for item in params for file, keys in item.items() if file.endswith("base/parameters.yml")]
    assert base == ["run"]


def test_parameter_files_hold_literals_only():
    """DVC locks an interpolation as text: a change of its value would go unnoticed."""
    for path in sorted((REPOSITORY / "conf").rglob("parameters*.yml")):
        assert "${" not in path.read_text(encoding="utf-8"), path


def test_every_file_that_is_no_module_is_a_modules_resource():
    package = REPOSITORY / "src/lexipix"
    files = {
        file.relative_to(REPOSITORY).as_posix()
        for file in package.rglob("*")
        if file.is_file() and file.suffix not in {".py", ".pyc"} and file.name != "py.typed"
        if package / "play" not in file.parents  # a page, which no stage makes
    }
    assert files
    assert all(any(file.startswith(f"{folder}/") for folder in RESOURCES.values()) for file in files), files


def test_each_difference_is_named_and_fixed(project, run):
    def do(changed):
        ingestion = changed["stages"]["ingestion"]["do"]
        ingestion["deps"].remove("src/lexipix/data/tokenization.py")
        ingestion["deps"].append("data/09")
        ingestion["outs"].pop()
        ingestion["params"].pop(0)
        changed["stages"]["captioner"]["do"]["cmd"] = "kedro run"
        changed["stages"].pop("features")
        changed["stages"]["old"] = {"cmd": "kedro run --pipelines x"}
        changed["vars"][0]["environments"]["smoke"]["run"] = "base"

    before = content(project)
    change(project, do)
    answer = run("--check")
    assert answer.exit_code == 1
    assert [line for line in answer.output.splitlines() if line.startswith("dvc.yaml: ")] == [
        "dvc.yaml: the stage features is missing",
        "dvc.yaml: old: no pipeline has this stage",
        "dvc.yaml: vars lacks smoke.run: smoke",
        "dvc.yaml: vars has smoke.run: base, which is not needed",
        "dvc.yaml: ingestion lacks deps: src/lexipix/data/tokenization.py",
        'dvc.yaml: ingestion lacks params: {"conf/base/parameters_ingestion.yml": ["ingestion"]}',
        "dvc.yaml: ingestion lacks outs: ${item.images}",
        "dvc.yaml: ingestion has deps: data/09, which is not needed",
        "dvc.yaml: captioner lacks cmd: kedro run --env ${key} --pipelines captioner",
        "dvc.yaml: captioner has cmd: kedro run, which is not needed",
    ]
    assert content(project) != before, "only checked"
    assert run().exit_code == 0
    assert content(project) == before
    again = run("--check")
    assert again.exit_code == 0 and "agrees with the pipelines" in again.output


def test_a_module_that_a_stage_begins_to_import_is_named(project, run, monkeypatch):
    whole = dvc_stages.used_modules
    monkeypatch.setattr(
        dvc_stages, "used_modules", lambda module: whole(module) | {"lexipix.training.losses.gan"}
    )
    answer = run("--check")
    assert "ingestion lacks deps: src/lexipix/training/losses/gan.py" in answer.output


def test_a_large_folder_of_shards_is_tracked_by_its_manifest(project, run):
    images = project / "data/smoke/03_primary/images"
    images.mkdir(parents=True)
    (images / "images-00000.npy").write_bytes(b"1" * 1000)
    assert "agrees" in run("--check").output, "a folder without a manifest is one file for each split"
    (images / "shards.json").write_text("{}", encoding="utf-8")
    assert "agrees" in run("--check").output
    catalog = project / "conf/base/catalog_ingestion.yml"
    text = catalog.read_text(encoding="utf-8")
    catalog.write_text(text.replace("manifest_above_gb: 100", "manifest_above_gb: 1.0e-6"), encoding="utf-8")
    assert run().exit_code == 0
    environments = content(project)["vars"][0]["environments"]
    assert environments["smoke"]["images"] == "data/smoke/03_primary/images/shards.json"
    assert environments["base"]["images"] == "data/03_primary/images"


def test_what_is_written_by_hand_stays(project, run):
    def do(changed):
        stage = changed["stages"]["ingestion"]["do"]
        stage |= {"desc": "Pictures, ready: to learn from", "frozen": True}
        stage["outs"][0] = {"${item.data}/03_primary/rejects.csv": {"cache": False}}
        stage["deps"].pop()
        changed["vars"].append({"mine": 3})
        changed["stages"]["own"] = {"cmd": "python own.py", "deps": ["data/08_reporting/report.html"]}

    change(project, do)
    path = project / "dvc.yaml"
    path.write_text("# mine\n# and yours\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert run().exit_code == 0
    assert path.read_text(encoding="utf-8").startswith("# mine\n# and yours\nvars:\n  - environments:\n")
    found = content(project)
    stage = found["stages"]["ingestion"]["do"]
    assert stage["desc"] == "Pictures, ready: to learn from" and stage["frozen"]
    assert {"${item.data}/03_primary/rejects.csv": {"cache": False}} in stage["outs"]
    assert found["vars"][1] == {"mine": 3}
    assert found["stages"]["own"] == {"cmd": "python own.py", "deps": ["data/08_reporting/report.html"]}
    written = path.read_bytes()
    assert run().exit_code == 0 and path.read_bytes() == written


def test_a_file_that_cannot_be_read_is_reported_and_left_as_it_is(project, run):
    (project / "dvc.yaml").write_text("stages: [", encoding="utf-8")
    answer = run()
    assert (
        answer.exit_code == 1 and "is not valid YAML" in answer.output and "kedro dvc sync" in answer.output
    )
    assert (project / "dvc.yaml").read_text(encoding="utf-8") == "stages: ["


@pytest.mark.parametrize(
    ("file", "content"),
    [("smoke/globals.yml", "a: ["), ("smoke/globals.yml", "- a"), ("base/parameters.yml", "run: [")],
)
def test_a_mistake_in_the_configuration_is_named(project, run, file, content):
    (project / "conf" / file).write_text(content)
    answer = run("--check")
    assert answer.exit_code == 1 and isinstance(answer.exception, SystemExit)
    assert f"conf/{file}" in answer.output
