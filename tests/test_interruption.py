"""Ctrl-C in the stages of the real chain: nothing half-written is taken for whole, and nothing is lost."""

import signal
import subprocess
import sys
import time

from .conftest import copy_project, environment_without_settings, listen_to_interrupts

# A line of the log that says where the run is; it is interrupted a moment later.
PLACES = (
    "Running node: ingest",
    "captioner: training on",
    "gan: training on",
    "small: training on",
)
SAME = ("*.safetensors", "*.npy", "*.parquet", "*.onnx", "tokenizer.json")


def start(project):
    return subprocess.Popen(
        [sys.executable, "-m", "kedro", "run", "--env", "smoke", "--only-missing-outputs"],
        cwd=project,
        env=environment_without_settings() | {"LEXIPIX_MLFLOW": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_interrupts,
    )


def contents(data):
    """Bytes of everything that the same run must give again; times and speeds are not among it.

    Nor is what the champion drew: which form that is, measured speeds decide.
    """
    files = (path for pattern in SAME for path in data.rglob(pattern) if "checkpoints" not in path.parts)
    files = (path for path in files if path.name != "champion_pictures.npy")
    return {str(path.relative_to(data)): path.read_bytes() for path in files}


def test_a_run_stopped_in_many_stages_ends_in_the_bytes_of_one_that_ran_through(smoke, tmp_path):
    project = copy_project(tmp_path)
    data = project / "data" / "smoke"
    choices = "06_models/machine_choices.json"  # what probes of precision found: it depends on the load
    (data / "06_models").mkdir(parents=True)
    (data / choices).write_bytes((smoke.data / choices).read_bytes())
    for place in PLACES:
        process = start(project)
        said = []
        for line in process.stderr:
            said.append(line)
            if place in line:
                time.sleep(0.3)
                process.send_signal(signal.SIGINT)
                break
        said.append(process.stderr.read())
        assert process.wait(timeout=60) == 130, f"{place}:\n{''.join(said)[-3000:]}"
        assert "the same command with --only-missing-outputs goes on" in said[-1], place
        assert "Traceback" not in said[-1], place
        leftovers = [path.name for path in data.rglob("*") if ".part" in path.name or ".old" in path.name]
        assert leftovers == [], place

    process = start(project)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]
    assert "Running node: train_features" not in said, "what was finished is not done again"
    mine, theirs = contents(data), contents(smoke.data)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if mine[name] != theirs[name]] == []
