"""A metric stream that discards everything."""

from collections.abc import Mapping

from lexipix.training.tasks.base import SampleGrid


class NullMetricStream:
    """Discards metrics and images, where nothing is to be reported."""

    def log(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Discard metrics."""

    def image(self, key: str, images_seen: int, image: SampleGrid) -> None:
        """Discard an image."""
