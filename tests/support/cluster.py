"""Ray clusters of this machine: a head without cores, and nodes of one core, all on loopback."""

import os
import secrets
import time

import psutil
from tests.support.parameters import section
from tests.support.project import REPOSITORY

MEMORY = 128 * 2**20  # of each node's object store
# Ray reads them once, when it is imported
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # else nodes on 127.0.0.1 wait for each other
    "RAY_DEDUP_LOGS": "0",
    # A lost node is noticed within seconds
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "15",
    "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "src")]),
}


class Machines:
    """A cluster whose nodes can be lost."""

    def __init__(self, n_nodes):
        import ray
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "object_store_memory": MEMORY, "node_ip_address": "127.0.0.1"},
        )
        self.nodes = [
            self._cluster.add_node(num_cpus=1, object_store_memory=MEMORY, node_ip_address="127.0.0.1")
            for _ in range(n_nodes)
        ]
        self.address = self._cluster.address
        ray.init(self.address, namespace="lexipix", log_to_driver=True)

    def engine(self, folder, **parameters):
        from lexipix.engines.ray_engine import RayEngine

        return RayEngine(section("engine", {"kind": "ray", "address": self.address, **parameters}), folder)

    def lose(self, node):
        """Kill a node's workers and the node: a raylet alone would let its worker finish first."""
        raylet = psutil.Process(node.all_processes["raylet"][0].process.pid)
        for process in [*raylet.children(recursive=True), raylet]:
            process.kill()
        self._cluster.remove_node(node, allow_graceful=False)
        self.nodes.remove(node)

    def stop(self):
        import ray

        ray.shutdown()
        self._cluster.shutdown()


def wait_until(condition, seconds=120):
    """Wait for a condition of other processes."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
