import signal

import pytest

from lexipix.hooks.interrupts import InterruptHooks
from lexipix.utils import signals


def test_a_swallowed_interrupt_stops_the_run_before_the_next_node():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with signals.remembered():
            InterruptHooks().before_node_run()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                InterruptHooks().before_node_run()
    finally:
        signal.signal(signal.SIGINT, before)
