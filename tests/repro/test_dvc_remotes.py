"""Results pushed to a remote come back in a fresh clone, which then trains nothing."""

import os
import shutil

import pytest
from tests.support.dvc_project import LAST, STAGES, dvc, git, introduce, save, stages_run

SECRETS = {"AWS_ACCESS_KEY_ID": "a-key-of-ours", "AWS_SECRET_ACCESS_KEY": "a-secret-of-ours"}


@pytest.fixture
def project(recorded, tmp_path):
    path = tmp_path / "project"
    shutil.copytree(recorded, path, symlinks=True)
    introduce(path)
    return path


@pytest.fixture(scope="module")
def s3():
    """Address of an S3-compatible server on this machine, with an empty bucket `lexipix`."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"http://{host}:{port}"
        client = boto3.client(
            "s3",
            endpoint_url=address,
            region_name="us-east-1",
            aws_access_key_id=SECRETS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=SECRETS["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_bucket(Bucket="lexipix")
        yield address
    finally:
        server.stop()


def outputs(project):
    """Every file that DVC keeps, with its bytes."""
    listed = dvc(project, "list", ".", "--recursive", "--dvc-only").split()
    kept = [name for name in listed if name.startswith("data/0") and not name.startswith("data/01_raw/")]
    return {name: (project / name).read_bytes() for name in kept}


def settings_in(folder):
    """Every file of DVC's own but the results."""
    return [path for path in folder.rglob("*") if path.is_file() and "cache" not in path.parts]


def cloned(project, target, **environment):
    """A fresh clone whose results are those of the remote."""
    git(project, "clone", "--quiet", str(project), str(target))
    assert not (target / "data" / "06_models" / "gan").exists()
    dvc(target, "pull", "--quiet", "--with-deps", LAST, **environment)
    return target


def check_that_it_trains_nothing(clone, project):
    there = outputs(project)
    assert len(there) > len(STAGES) and outputs(clone) == there
    said = dvc(clone, "repro", LAST)
    assert stages_run(said) == []
    assert all(f"Stage '{name}@base' didn't change, skipping" in said for name in STAGES)
    assert git(clone, "status", "--porcelain") == ""


def test_a_folder(project, tmp_path):
    dvc(project, "remote", "add", "--default", "store", str(tmp_path / "store"))
    save(project, "A remote")
    dvc(project, "push", "--quiet", "--with-deps", LAST)
    clone = cloned(project, tmp_path / "clone")
    check_that_it_trains_nothing(clone, project)


def test_an_s3_compatible_server(project, tmp_path, s3, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    dvc(project, "remote", "add", "--default", "store", "s3://lexipix/cache")
    dvc(project, "remote", "modify", "store", "endpointurl", s3)
    save(project, "A remote")
    dvc(project, "push", "--quiet", "--with-deps", LAST, **SECRETS)
    clone = cloned(project, tmp_path / "clone", **SECRETS)
    check_that_it_trains_nothing(clone, project)

    assert s3 in (clone / ".dvc" / "config").read_text(encoding="utf-8")
    written = [path for path in (project / ".dvc", clone / ".dvc") for path in settings_in(path)]
    assert not any(secret.encode() in path.read_bytes() for secret in SECRETS.values() for path in written)
