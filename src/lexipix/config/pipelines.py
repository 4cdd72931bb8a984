"""The pipelines' names, in the order in which they run."""

DEFAULT = "__default__"
PIPELINE_ORDER = (
    "ingestion", "features", "captioner", "generator", "compression", "evaluation", "generation",
)  # fmt: skip
