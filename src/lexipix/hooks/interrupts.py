"""Ctrl-C and SIGTERM stop a run even where a library swallowed them."""

from kedro.framework.hooks import hook_impl

from lexipix.utils import signals


class InterruptHooks:
    """Stops before the next node if Ctrl-C or SIGTERM came during the previous one."""

    @hook_impl
    def before_node_run(self) -> None:
        """Raise what a library swallowed."""
        if (received := signals.received()) is not None:
            raise received
