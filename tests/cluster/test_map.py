"""Parts on a cluster: the same bytes for any number of workers, and whatever is lost in between."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image
from tests.support import cluster_work
from tests.support.cluster import wait_until
from tests.support.parameters import section
from tests.support.project import REPOSITORY
from tests.support.small_world import RUN, ListStream, NoPretrained, features, image_splits

from lexipix.datasets.checkpoints import FileCheckpoints
from lexipix.datasets.image_store import ImageStoreDataset
from lexipix.datasets.pretrained import PretrainedModels
from lexipix.datasets.sources.sources import open_source
from lexipix.engines.base import row_parts
from lexipix.engines.local import LOCAL
from lexipix.pipelines.features.nodes import train_features
from lexipix.pipelines.ingestion.nodes import ingest
from lexipix.utils.errors import LexipixError

# Starts the cluster of a run, and asks it for its nodes from other processes, with its token and without
STRANGER = """
import json, os, subprocess, sys
from pathlib import Path
from tests.support import cluster_work
from tests.support.parameters import section
from lexipix.engines.ray_engine import RayEngine

engine = RayEngine(section("engine", {"kind": "ray", "workers": 1}), Path(sys.argv[1]))
ray = engine.connect()
from ray._common.usage.usage_lib import usage_stats_enabled

address = ray.get_runtime_context().gcs_address
code = f"from ray._raylet import GcsClient; GcsClient(address={address!r}).get_all_node_info(timeout=20)"

def answers(environment):
    return subprocess.run([sys.executable, "-c", code], env=environment, timeout=100).returncode == 0

known = dict(os.environ)
without = {name: value for name, value in known.items() if not name.startswith("RAY_AUTH")}
names = ["RAY_AUTH_MODE", "RAY_USAGE_STATS_ENABLED", "GLOO_SOCKET_IFNAME"]
found = {
    "with": answers(known), "without": answers(without), "usage": usage_stats_enabled(),
    "worker": next(engine.map(cluster_work.environment, [names])),
}
engine.close()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A folder of pictures, every seventh a copy of another."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(300):
        pixels = np.random.default_rng(number % 43 if number % 7 == 0 else number).integers(
            0, 256, (16, 16, 3), np.uint8
        )
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
        if number % 3:
            (folder / f"{number:03}.txt").write_text(f"number {number}")
    return folder


def stored(pictures, folder, engine):
    """SHA-256 of every file of the store that an engine makes."""
    parameters = {
        "source": {"kind": "folder", "path": str(pictures)}, "image_size": 16, "shard_rows": 32,
        "min_side": 8, "splits": {"by": "image"},
    }  # fmt: skip
    stream = ingest(
        section("ingestion", parameters),
        section("run"),
        partial(open_source, pictures),
        PretrainedModels(pictures),
        engine,
    )
    store = ImageStoreDataset(filepath=str(folder))
    store.save(stream)
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in found.items()}


def test_an_ingestion_gives_the_same_bytes_on_any_number_of_workers(machines, pictures, tmp_path):
    expected = stored(pictures, tmp_path / "local", LOCAL)
    assert len(expected) > 40
    cluster = machines(2)
    for n_workers in (1, 2):
        engine = cluster.engine(tmp_path / "parts", workers=n_workers)
        assert engine.workers().count == n_workers
        assert stored(pictures, tmp_path / f"on {n_workers}", engine) == expected


def test_the_parts_of_a_lost_node_are_done_again_and_no_others(machines, tmp_path):
    cluster = machines(2)
    engine, results = cluster.engine(tmp_path / "parts"), []
    contents = engine.contents(lambda: "squares/1", cluster_work.slow_square, range(12), tmp_path)

    def work():
        results.extend(np.array(one) for one in contents)

    thread = threading.Thread(target=work)
    thread.start()
    folder = tmp_path / "parts" / "squares" / "1"
    wait_until(lambda: len(list(folder.glob("*.npy"))) >= 3)
    finished = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.npy")}
    cluster.lose(cluster.nodes[0])
    for name in finished:  # until the end, when the folder is removed
        assert (folder / name).stat().st_mtime_ns == finished[name]
    thread.join(120)
    assert [int(one[0, 0]) for one in results] == [number**2 for number in range(12)]
    attempts = [int(line) for line in (tmp_path / "attempts").read_text().split()]
    again = {number for number in attempts if attempts.count(number) > 1}
    assert 1 <= len(again) <= 2 and not {f"{number:05}.npy" for number in again} & finished.keys()
    assert not (tmp_path / "parts" / "squares" / "1").exists(), "no file of a part is left"


def test_what_a_killed_driver_finished_is_not_done_again(machines, tmp_path):
    cluster = machines(1)
    code = (
        "from pathlib import Path\n"
        "from tests.support import cluster_work\n"
        "from tests.support.parameters import section\n"
        "from lexipix.engines.ray_engine import RayEngine\n"
        f"engine = RayEngine(section('engine', {{'kind': 'ray', 'address': {cluster.address!r}}}), "
        f"Path({str(tmp_path / 'parts')!r}))\n"
        f"list(engine.contents(lambda: 'squares/1', cluster_work.slow_square, range(8), {str(tmp_path)!r}))\n"
    )
    driver = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, env=dict(os.environ))
    folder = tmp_path / "parts" / "squares" / "1"
    wait_until(lambda: len(list(folder.glob("*.npy"))) >= 3)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    attempts = tmp_path / "attempts"
    wait_until(lambda: not list(folder.glob(".*")), 30)  # its workers end after it
    finished = {path.name for path in folder.glob("*.npy")}
    attempts.unlink()
    engine = cluster.engine(tmp_path / "parts")
    found = engine.contents(lambda: "squares/1", cluster_work.slow_square, range(8), str(tmp_path))
    assert [int(one[0, 0]) for one in found] == [number**2 for number in range(8)]
    done = {f"{int(line):05}.npy" for line in attempts.read_text().split()}
    assert 3 <= len(finished) < 8 and not done & finished and len(done) == 8 - len(finished)


def test_the_memory_of_a_worker_does_not_grow_with_the_shards(machines, tmp_path):
    cluster = machines(1)
    checkpoints = FileCheckpoints(tmp_path / "checkpoints")
    pair, *_ = train_features(features(), RUN, image_splits(), NoPretrained(), ListStream(), checkpoints)
    store = ImageStoreDataset(filepath=str(tmp_path / "store"))
    scenes = {"kind": "scenes", "scenes": {"n_train": 8192, "n_val": 100, "n_test": 100}}
    sources = partial(open_source, tmp_path)
    parameters = section("ingestion", {"source": scenes, "shard_rows": 1024})
    store.save(ingest(parameters, RUN, sources, PretrainedModels(tmp_path)))
    manifest = json.loads((store.path / "shards.json").read_text())
    engine, memory = cluster.engine(tmp_path / "parts", workers=1), {}
    for times in (1, 4):
        repeated = {**manifest["splits"], "train": manifest["splits"]["train"] * times}
        (store.path / "shards.json").write_text(json.dumps({**manifest, "splits": repeated}))
        splits = store.load()
        parts = row_parts(len(splits.train))
        assert len(parts) >= 2 * times
        used = engine.map(cluster_work.memory_of_embedding, parts, pair, splits, "train", RUN)
        memory[times] = max(used)
    assert memory[4] <= 1.1 * memory[1]
    session = ray_session()
    assert not [file for folder in session.glob("*spill*") for file in folder.rglob("*") if file.is_file()]


def ray_session():
    from ray._private.worker import global_worker

    return Path(global_worker.node.get_session_dir_path())


def test_a_mistake_that_a_worker_finds_is_one_sentence(machines, tmp_path):
    engine = machines(1).engine(tmp_path)
    with pytest.raises(LexipixError, match=r"^part 1 cannot be done: do another\.$"):
        list(engine.map(cluster_work.refuse, [1]))


def test_parts_in_flight_end_before_the_error_is_told(machines, tmp_path):
    """Else they write into a folder that is removed by then, and make it again."""
    engine = machines(2).engine(tmp_path / "parts")
    with pytest.raises(LexipixError, match=r"^part 0 cannot be done"):
        list(engine.map(cluster_work.interrupted_by_the_first, range(4), tmp_path))
    started = {path.name.partition("-")[2]: int(path.read_text() or 0) for path in tmp_path.glob("started-*")}
    # Where the system keeps interrupts from them, as in the background of a shell, workers are killed
    wait_until(
        lambda: all(
            (tmp_path / f"ended-{number}").exists() or not psutil.pid_exists(process)
            for number, process in started.items()
        ),
        seconds=5,
    )
    assert started


def test_nobody_without_the_token_reaches_the_cluster_of_a_run(tmp_path):
    """The environment of the run sets nothing of it."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "GLOO_"))
    }
    environment["HOME"] = str(tmp_path)  # where Ray looks for a token too
    answer = subprocess.run(
        [sys.executable, "-c", STRANGER, str(tmp_path)], cwd=REPOSITORY, env=environment, capture_output=True,
        text=True, check=False, timeout=300,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    found = json.loads(answer.stdout.splitlines()[-1])
    assert found == {"with": True, "without": False, "usage": False, "worker": ["token", "0", "lo"]}


def test_a_cluster_that_cannot_be_reached_is_one_sentence(tmp_path):
    from lexipix.engines.ray_engine import RayEngine

    engine = RayEngine(section("engine", {"kind": "ray", "address": "127.0.0.1:1"}), tmp_path)
    with pytest.raises(LexipixError, match=r"engine\.address = 127\.0\.0\.1:1.*docs/scale\.md"):
        engine.connect()
