"""What the engine does before Ray starts; clusters are in tests/cluster."""

import sys
from types import ModuleType

import pytest
from tests.support.parameters import section

from lexipix.engines.ray_engine import RayEngine, cluster_environment
from lexipix.utils.errors import LexipixError


def test_a_cluster_of_this_machine_asks_for_a_new_token_tells_nobody_and_listens_on_loopback(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    found = cluster_environment("local")
    token = found.pop("RAY_AUTH_TOKEN")
    assert len(token) == 64 and token != cluster_environment("local")["RAY_AUTH_TOKEN"]
    assert found == {
        "RAY_AUTH_MODE": "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "GLOO_SOCKET_IFNAME": "lo",
    }


def test_other_clusters_have_a_token_of_their_own():
    assert cluster_environment("10.0.0.1:6379") == {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}


def test_ray_without_its_part_for_trainings_is_one_sentence(monkeypatch, tmp_path):
    for name in cluster_environment("local"):
        monkeypatch.setenv(name, "as before")
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    monkeypatch.setitem(sys.modules, "ray.train", None)
    with pytest.raises(
        LexipixError, match=r"only a part of Ray is installed \(.*ray\.train.*\): install the"
    ):
        RayEngine(section("engine", {"kind": "ray"}), tmp_path).connect()
