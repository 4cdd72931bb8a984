import pytest
import torch
from tests.support.toy import MemoryCheckpoints

from lexipix.training.checkpoint_sequence import CheckpointSequence


def test_what_is_finished_is_not_done_again_after_an_interruption():
    store, done = MemoryCheckpoints(), []

    def training(name, figure):
        def run():
            done.append(name)
            return figure

        return run

    first = CheckpointSequence(store)
    assert first.run_once("a", training("a", 0.5)) == 0.5

    def interrupted():
        first.save({"w": torch.ones(2)}, {"fingerprint": "b", "images_seen": 8})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run_once("b", interrupted)

    second = CheckpointSequence(store)
    assert second.run_once("a", training("a", 0.9)) == 0.5
    tensors, meta = second.load()
    assert meta["fingerprint"] == "b" and tensors["w"].tolist() == [1, 1]  # the training goes on from here
    assert second.run_once("b", training("b", 0.25)) == 0.25
    assert done == ["a", "b"]
    second.close()
    assert store.kept is None


def test_a_finished_training_leaves_its_state_to_the_step():
    store = MemoryCheckpoints()
    sequence = CheckpointSequence(store)
    sequence.run_once("a", lambda: 1.0)
    sequence.clear()
    assert CheckpointSequence(store).run_once("a", lambda: 2.0) == 1.0
