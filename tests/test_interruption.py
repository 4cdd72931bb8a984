"""Ctrl-C and SIGKILL in the real chain: nothing half-written is taken for whole, and nothing is lost."""

import random
import signal
import subprocess
import sys
import time

from tests.support.project import copy_project, environment_without_settings, listen_to_interrupts

# A line of the log that says where the run is, and what happens at a random moment within so many seconds;
# in the order of the run, since what a stopped run has finished does not log its line again. That the other
# trainings go on bit for bit is tested with their tasks.
PLACES = (
    ("Running node: ingest", signal.SIGINT, 0.3),
    ("vae: training on", signal.SIGKILL, 2.0),
    ("captioner: training on", signal.SIGINT, 2.0),
    ("gan: training on", signal.SIGKILL, 1.5),
)
PIPELINES = "ingestion,features,captioner,generator"
# Often enough that these short trainings have a checkpoint to go on from
SECONDS = ",".join(
    f"{training}.training.checkpoint_seconds=0.5"
    for training in ("captioner", "generator.vae", "generator.gan")
)
SAME = ("*.safetensors", "*.onnx", "*.npy", "*.parquet", "tokenizer.json")


def start(project):
    return subprocess.Popen(
        [
            sys.executable, "-m", "kedro", "run", "--env", "smoke", "--only-missing-outputs",
            f"--pipelines={PIPELINES}", f"--params={SECONDS}",
        ],
        cwd=project,
        env=environment_without_settings() | {"LEXIPIX_MLFLOW": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_interrupts,
    )  # fmt: skip


def contents(data):
    """Bytes of everything that the same run must give again; times and speeds are not among it."""
    files = (path for pattern in SAME for path in data.rglob(pattern) if "checkpoints" not in path.parts)
    return {str(path.relative_to(data)): path.read_bytes() for path in files}


def test_a_run_stopped_again_and_again_ends_in_the_bytes_of_one_that_ran_through(smoke, tmp_path):
    project = copy_project(tmp_path)
    data = project / "data" / "smoke"
    moments = random.Random(time.time_ns())
    for place, how, within in PLACES:
        process, moment, said = start(project), moments.uniform(0, within), []
        for line in process.stderr:
            said.append(line)
            if place in line:
                time.sleep(moment)
                process.send_signal(how)
                break
        else:
            raise AssertionError(f"nothing said {place!r}:\n{''.join(said)[-3000:]}")
        said.append(process.stderr.read())
        ended = process.wait(timeout=60)
        if how == signal.SIGKILL:
            assert ended == -how, f"{place} + {moment:.2f} s:\n{''.join(said)[-3000:]}"
            continue
        assert ended == 130, f"{place} + {moment:.2f} s:\n{''.join(said)[-3000:]}"
        assert "the same command with --only-missing-outputs continues" in said[-1], place
        assert "Traceback" not in said[-1], place
        leftovers = [path.name for path in data.rglob("*") if ".part" in path.name or ".old" in path.name]
        assert leftovers == [], place

    process = start(project)
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said[-3000:]
    assert "Running node: train_features" not in said, "what was finished is not done again"
    mine, theirs = contents(data), contents(smoke.data)
    assert (
        {"06_models/gan/model.safetensors", "06_models/tokens/model.safetensors"}
        <= mine.keys()
        <= theirs.keys()
    )
    assert [name for name in mine if mine[name] != theirs[name]] == []
