"""Where the work of a run is done."""

from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog

from lexipix.config.root import validate
from lexipix.engines.dataset import choose_engine, close_engine


class EngineHooks:
    """Chooses the engine by ``engine.*`` before the first node, and ends it after the last."""

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, catalog: DataCatalog) -> None:
        """Raise a LexipixError if the engine is not installed."""
        choose_engine(validate(catalog.load("parameters")).engine)

    @hook_impl
    def after_pipeline_run(self) -> None:
        close_engine()

    @hook_impl
    def on_pipeline_error(self) -> None:
        close_engine()
