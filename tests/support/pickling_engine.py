"""The engine of one process, behind the border that Ray's workers are behind."""

import pickle

from lexipix.engines.local import LocalEngine


class PicklingEngine(LocalEngine):
    """Sends everything through the standard pickle, which refuses closures, as Ray's own does not."""

    def map(self, function, parts, *arguments):
        for part in parts:
            run, own, others = crossed((function, part, arguments))
            yield crossed(run(own, *others))

    def train(self, function, job, batch_size, stream, checkpoints):
        run, own = crossed((function, job))
        return crossed(run(own, stream, checkpoints))


def crossed(value):
    return pickle.loads(pickle.dumps(value))
