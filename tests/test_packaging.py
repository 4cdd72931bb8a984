"""The wheel of ``kedro package``, and the Dockerfile as far as a machine without Docker can tell."""

import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

import pytest
from tests.support.project import REPOSITORY, activated_environment, copy_project
from tests.support.servers import free_port, running_server

# `kedro package` builds in a fresh environment, for which it would need a network
PACKAGE = """
import sys
from importlib import import_module
project = import_module("lexipix.cli.package")
call = project.call
project.call = lambda words, **rest: call([*words, *(["--no-isolation"] if "build" in words else [])], **rest)
from lexipix.__main__ import main
sys.argv = ["kedro", "package"]
main()
"""


SECRET_FILES = (
    "local/credentials.yml", "local/credentials.yaml", "local/globals.json", "local/.env", "local/sub/x.yml",
    "base/credentials.yml", "smoke/Credentials/s3.yml", "base/sub/credentials_s3.yaml", "base/.env", ".env",
)  # fmt: skip


@pytest.fixture(scope="module")
def packaged(tmp_path_factory):
    """The folder with what ``kedro package`` makes."""
    project = tmp_path_factory.mktemp("package") / "project"
    project.mkdir()
    copy_project(project)
    for name in ("README.md", "LICENSE"):
        (project / name).write_bytes((REPOSITORY / name).read_bytes())
    for name in SECRET_FILES:
        (project / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "conf" / name).write_text("secret: 1\n")
    environment = activated_environment() | {"PYTHONPATH": str(project / "src")}
    subprocess.run([sys.executable, "-c", PACKAGE], cwd=project, env=environment, check=True, timeout=300)
    return project / "dist"


@pytest.fixture(scope="module")
def installed(packaged, tmp_path_factory):
    """The commands of a clean virtual environment with the wheel; other packages are those of this one."""
    place = tmp_path_factory.mktemp("venv") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    (wheel,) = packaged.glob("*.whl")
    words = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    subprocess.run([sys.executable, "-m", "pip", "--python", place / "bin/python", *words], check=True)
    (packages,) = place.glob("lib/*/site-packages")
    (packages / "others.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    return place / "bin"


def test_the_wheel_holds_all_code_and_what_it_reads(packaged):
    (wheel,) = packaged.glob("lexipix-*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("lexipix/")}
    sources = {
        path.relative_to(REPOSITORY / "src").as_posix()
        for path in (REPOSITORY / "src/lexipix").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == sources


def test_the_archive_of_the_configuration_holds_no_local_settings(packaged):
    with tarfile.open(packaged / "conf-lexipix.tar.gz") as archive:
        names = archive.getnames()
    assert "conf/base/catalog_ingestion.yml" in names and "conf/smoke/parameters_ingestion.yml" in names
    assert "conf/local/.gitkeep" in names
    assert not {f"conf/{name}" for name in SECRET_FILES} & set(names)


def test_the_installed_commands_answer_beside_the_configuration(packaged, installed, tmp_path):
    environment = activated_environment() | {"LEXIPIX_MLFLOW": "0"}
    environment.pop("PYTHONPATH", None)

    def run(*words):
        return subprocess.run(
            [installed / "lexipix", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    where = "import lexipix; print(lexipix.__file__)"
    answer = subprocess.run(
        [installed / "python", "-c", where],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.startswith(str(installed.parent)), "the wheel's own code"
    assert "kedro, version" in run("--version").stdout
    with tarfile.open(packaged / "conf-lexipix.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    assert "Draw images of prompts" in run("generate", "--help").stdout
    answer = run("run", "--env", "smoke", "--pipelines", "ingestion")
    assert answer.returncode == 0, answer.stderr[-3000:]
    summary = json.loads((tmp_path / "data/smoke/03_primary/summary.json").read_text())
    assert summary["n_train"] == 400
    answer = run("generate", "a star", "--env", "smoke")
    assert answer.returncode == 1 and "There is no model champion" in answer.stderr.replace("\n", " ")


# The Dockerfile


def instructions():
    """Instructions of the Dockerfile, in order, with their arguments in one line."""
    text = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^\s*#.*\n", "", text).replace("\\\n", " ")
    return [line.split(None, 1) for line in text.splitlines() if line.strip()]


def arguments(name):
    return [" ".join(rest.split()) for instruction, rest in instructions() if instruction == name]


def test_the_image_is_slim_and_its_user_is_not_root():
    names = [name for name, _ in instructions()]
    assert set(names) <= {"ARG", "FROM", "ENV", "COPY", "RUN", "USER", "EXPOSE", "HEALTHCHECK", "CMD"}
    assert arguments("FROM") == ["python:${PYTHON}-slim"]
    (user,) = arguments("USER")
    assert user.isdigit() and int(user) >= 1000 and f"--uid {user} " in arguments("RUN")[-1]
    assert names.index("USER") > max(place for place, name in enumerate(names) if name in ("COPY", "RUN"))
    assert all(words.split()[0].startswith("model") for words in arguments("COPY")), "nothing else is copied"
    ignored = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").split("\n")[1:]
    assert ignored == ["*", "!model", ""], "so that no secret and no data is in the context"


@pytest.fixture(scope="module")
def model(smoke, tmp_path_factory):
    """The registered generator, as the page tells to download it."""
    target = tmp_path_factory.mktemp("context") / "model"
    store = f"sqlite:///{smoke.path / 'mlflow.db'}"
    uri = "models:/lexipix-generator-smoke@champion"
    environment = activated_environment() | {"MLFLOW_TRACKING_URI": store}
    words = ["artifacts", "download", "--artifact-uri", uri, "--dst-path", str(target)]
    subprocess.run([sys.executable, "-m", "mlflow", *words], env=environment, check=True, capture_output=True)
    return target


def test_what_is_installed_is_pinned_and_without_torch(model):
    requirements = (model / "requirements.txt").read_text(encoding="utf-8").split()
    assert all(re.fullmatch(r"[\w-]+==[\w.+-]+", one) for one in requirements)
    assert not {"torch", "transformers", "kedro", "lexipix"} & {
        one.partition("==")[0] for one in requirements
    }
    # The command of the Dockerfile, which finds these versions installed here already
    (command,) = [words for words in arguments("RUN") if "pip install" in words]
    words = command.replace("/srv/requirements.txt", str(model / "requirements.txt")).split()
    assert words[:4] == ["python", "-m", "pip", "install"]
    words = [sys.executable, *words[1:], "--no-index", "--dry-run"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert answer.returncode == 0 and "Would install" not in answer.stdout, answer.stderr


def test_its_command_serves_the_model_and_its_health_check_passes(model, tmp_path):
    port = str(free_port())
    (command,), (check,) = arguments("CMD"), arguments("HEALTHCHECK")
    words = [one.replace("/srv/model", str(model)).replace("5001", port) for one in json.loads(command)]
    assert words[0] == "mlflow" and "0.0.0.0" in words
    words[words.index("0.0.0.0")] = "127.0.0.1"  # to this machine only
    settings = dict(setting.split("=", 1) for setting in arguments("ENV")[0].split())
    environment = activated_environment() | settings | {"HOME": str(tmp_path / "nowhere")}
    environment.pop("PYTHONPATH", None)
    with running_server(words, f"http://127.0.0.1:{port}/ping", tmp_path, environment) as (_, log):
        health = [sys.executable, *json.loads(check[check.index("[") :].replace("5001", port))[1:]]
        assert subprocess.run(health, check=False).returncode == 0
        request = json.dumps({"inputs": {"prompt": ["a red star"]}})
        code = (
            "import sys, urllib.request as u; q = u.Request(sys.argv[1], sys.argv[2].encode(), "
            "{'Content-Type': 'application/json'}); print(u.urlopen(q).read().decode())"
        )
        address = f"http://127.0.0.1:{port}/invocations"
        answer = subprocess.run(
            [sys.executable, "-c", code, address, request], capture_output=True, text=True, check=True
        )
        assert json.loads(answer.stdout)["predictions"][0]["png"], log.read_text()
    assert subprocess.run(health, check=False, capture_output=True).returncode != 0, (
        "nothing answers any more"
    )
