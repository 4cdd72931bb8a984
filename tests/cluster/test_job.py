"""A whole run as a job of a cluster; MLflow in PostgreSQL, artifacts and images in an S3-compatible store."""

import json
import os
import shlex
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import mlflow
from tests.support.cluster import ENVIRONMENT, wait_until
from tests.support.project import environment_without_settings, new_clone
from tests.support.servers import free_port
from tests.support.shared_server import BUCKET, KEYS, shared_mlflow

CATALOG = f"""
image_splits:
  type: lexipix.datasets.image_store.RemoteImageStoreDataset
  filepath: s3://{BUCKET}/images
  staging: data/smoke/03_primary/images
"""
RAY = [sys.executable, "-m", "ray.scripts.scripts"]


@contextmanager
def head(folder, environment):
    """A cluster of one machine with two cores; gives the address that jobs are submitted to."""
    port, jobs = free_port(), free_port()
    command = [
        *RAY, "start", "--head", "--block", "--num-cpus=2", "--node-ip-address=127.0.0.1", f"--port={port}",
        "--dashboard-host=127.0.0.1", f"--dashboard-port={jobs}", "--disable-usage-stats",
    ]  # fmt: skip
    with (folder / "head.txt").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{jobs}"
    try:
        wait_until(lambda: _ray(environment, "job", "list", f"--address={address}").returncode == 0)
        yield address
    finally:
        process.terminate()
        process.wait(60)


def _ray(environment, *arguments):
    return subprocess.run(
        [*RAY, *arguments], env=environment, capture_output=True, text=True, timeout=1100, check=False
    )


def test_a_whole_run_as_a_job(tmp_path):
    project = new_clone(tmp_path / "project")
    (project / "conf" / "smoke" / "catalog.yml").write_text(CATALOG)
    with ExitStack() as servers:
        server, bucket = servers.enter_context(shared_mlflow(tmp_path))
        store = {"AWS_ENDPOINT_URL": bucket.meta.client.meta.endpoint_url, **KEYS}
        environment = environment_without_settings() | ENVIRONMENT | store
        address = servers.enter_context(head(tmp_path, environment))
        settings = {"MLFLOW_TRACKING_URI": server, "PYTHONPATH": os.environ["PYTHONPATH"], **store}
        options = "engine.kind=ray,engine.workers=2,ingestion.shard_rows=200"
        run = [sys.executable, "-m", "kedro", "run", "--env=smoke", f"--params={options}"]
        line = shlex.join(["env", *(f"{name}={value}" for name, value in settings.items()), *run])
        submit = ["job", "submit", f"--address={address}", "--", "bash", "-c", f"cd {project} && {line}"]
        answer = _ray(environment, *submit)
        said = answer.stdout + answer.stderr
        assert answer.returncode == 0, said[-6000:]
        assert said.count("Training with 2 workers") >= 10
        client = mlflow.MlflowClient(server)
        (found,) = client.search_runs([client.get_experiment_by_name("lexipix-smoke").experiment_id])
        assert (found.info.run_name, found.info.status) == ("all@smoke", "FINISHED")
        assert found.data.tags["git.revision"]
        assert client.get_metric_history(found.info.run_id, "vae/val_psnr"), "workers report to the one run"
        keys = [item.key for item in bucket.objects.all()]
        assert any(key.endswith("report.html") for key in keys) and "images/shards.json" in keys
    metrics = json.loads((project / "data" / "smoke" / "08_reporting" / "metrics.json").read_text())
    assert {"vae", "gan", "tokens"} <= metrics["text"].keys()
    assert (
        not Path(project, "mlflow.db").exists() and not Path(project, "data/smoke/03_primary/images").exists()
    )
