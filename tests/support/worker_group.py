"""Two workers of a training, as processes of a group without any cluster."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor


def on_workers(n_workers, file, function, *arguments):
    """What a function that can be imported returns on each worker; ``file`` is where the workers meet."""
    with ProcessPoolExecutor(n_workers, multiprocessing.get_context("spawn")) as pool:
        calls = [
            pool.submit(_as_worker, rank, n_workers, str(file), function, arguments)
            for rank in range(n_workers)
        ]
        return [call.result() for call in calls]


def _as_worker(rank, n_workers, file, function, arguments):
    import torch
    import torch.distributed as dist

    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=n_workers)
    try:
        return function(*arguments)
    finally:
        dist.destroy_process_group()
