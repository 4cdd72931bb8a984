"""When a training starts again after a failure; the trainings themselves are in tests/cluster."""

import pytest
from tests.support.toy import MemoryCheckpoints
from torch.distributed import DistError

from lexipix.engines.ray_training import MAX_STARTS, Failures
from lexipix.utils.errors import LexipixError


class Raised(Exception):
    """As Ray Train wraps what a function raised on a worker."""

    def __init__(self, error):
        super().__init__("a traceback")
        self._base_exc = error


class TrainingFailed(Exception):
    """As Ray Train's, with what happened on each worker."""

    def __init__(self, **failures):
        super().__init__("Training failed")
        self.worker_failures = failures


LOST = TrainingFailed(first=RuntimeError("the worker died"))


def reach(checkpoints, images_seen):
    checkpoints.kept = ({}, {"fingerprint": "same", "images_seen": images_seen})


def test_lost_workers_are_given_up_after_some_starts(caplog):
    failures = Failures(MemoryCheckpoints())
    for _ in range(MAX_STARTS - 1):
        failures.add(LOST)
    assert caplog.text.count("it starts from its checkpoint") == MAX_STARTS - 1
    with pytest.raises(
        LexipixError, match=r"failed 8 times without a new checkpoint between \(the worker died"
    ):
        failures.add(LOST)


def test_a_training_that_goes_on_may_lose_workers_for_ever():
    checkpoints = MemoryCheckpoints()
    failures = Failures(checkpoints)
    for number in range(10 * MAX_STARTS):
        reach(checkpoints, number // 2)
        failures.add(LOST)


def test_an_exception_that_comes_again_without_progress_is_the_workers_own():
    checkpoints = MemoryCheckpoints()
    failures, mistake = Failures(checkpoints), KeyError("no such column")
    failures.add(TrainingFailed(first=Raised(mistake)))
    failures.add(TrainingFailed(first=Raised(KeyError("another column"))))
    reach(checkpoints, 64)
    failures.add(TrainingFailed(first=Raised(KeyError("another column"))))
    reach(checkpoints, 128)
    failures.add(TrainingFailed(first=Raised(mistake)))
    with pytest.raises(KeyError, match="no such column"):
        failures.add(TrainingFailed(first=LOST, second=Raised(KeyError("no such column"))))


def test_what_the_others_say_of_a_lost_worker_is_no_mistake():
    failures = Failures(MemoryCheckpoints())
    for _ in range(MAX_STARTS - 1):
        failures.add(TrainingFailed(second=Raised(DistError("the remote process exited"))))


def test_a_sentence_of_ours_is_told_at_once():
    wrapped = TrainingFailed(first=Raised(LexipixError("it diverged: lower the rate.")))
    with pytest.raises(LexipixError, match=r"^it diverged: lower the rate\.$"):
        Failures(MemoryCheckpoints()).add(wrapped)
