"""A run that needs more memory than there is stops before its first node, not in the middle of a training."""

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from lexipix.config.root import validate
from lexipix.utils.errors import LexipixError
from lexipix.utils.machine import available_mb

TRAINING = "train_"  # begins the names of the nodes that need most memory


class MemoryCheckHooks:
    """Compares ``run.memory_mb`` with what this process may use."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Raise a LexipixError if a training is to run and there is too little memory."""
        if not any(node.name.startswith(TRAINING) for node in pipeline.nodes):
            return
        needed, available = validate(catalog.load("parameters")).run.memory_mb, available_mb()
        if available is not None and available < needed:
            raise LexipixError(
                f"run.memory_mb = {needed:,}: the trainings of this environment need about as many MB of "
                f"memory, and {available:,.0f} are free. Stop other programs, use a larger machine, or "
                "choose smaller batches and run.memory_mb=0, which skips this check."
            )
