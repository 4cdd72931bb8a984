"""The whole chain on a cluster that the run itself starts, through the real command line."""

import json
import os

import mlflow
from tests.support.project import new_clone, run_kedro


def test_a_whole_run_on_two_workers(tmp_path):
    project = new_clone(tmp_path / "project")
    options = "engine.kind=ray,engine.workers=2,ingestion.shard_rows=200"
    paths = os.environ["PYTHONPATH"]
    answer = run_kedro(project, "run", "--env", "smoke", f"--params={options}", PYTHONPATH=paths)
    said = answer.stdout + answer.stderr
    assert answer.returncode == 0, said[-6000:]
    assert said.count("Training with 2 workers") >= 10
    metrics = json.loads((project / "data" / "smoke" / "08_reporting" / "metrics.json").read_text())
    assert metrics["direct"]["psnr"] > 15 and {"vae", "gan", "tokens"} <= metrics["text"].keys()
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{project / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("lexipix-smoke").experiment_id])
    assert client.get_metric_history(run.info.run_id, "vae/val_psnr"), "workers report to the one run"
    assert not list(project.rglob("*.pkl")) and not list((project / "data").rglob(".*.part*"))
    parts = project / "data" / "smoke" / "02_intermediate" / "parts"
    assert not [path for path in parts.rglob("*") if path.is_file()]
