"""Ctrl-C stops a run even where a library swallowed it."""

from kedro.framework.hooks import hook_impl

from lexipix.utils import signals


class InterruptHooks:
    """Stops before the next node if Ctrl-C was pressed during the previous one."""

    @hook_impl
    def before_node_run(self) -> None:
        """Raise the KeyboardInterrupt that a library swallowed."""
        if signals.interrupted():
            raise KeyboardInterrupt
