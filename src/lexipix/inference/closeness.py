"""How close an image comes to a given one."""

from lexipix.inference.onnx_session import Pixels
from lexipix.inference.targets import Target
from lexipix.metrics.images import WINDOW, psnr, ssim


class Closeness:
    """What records of an image share that is compared with a given one.

    Attributes:
        ssim: To the given image; None below 7x7 pixels.
        psnr: To the given image, in decibels.
    """

    ssim: float | None
    psnr: float

    def __str__(self) -> str:
        similarity = f"ssim {self.ssim:.3f}, " if self.ssim is not None else ""
        return f"{similarity}psnr {self.psnr:.1f}"

    def value(self, metric: str) -> float:
        """The value of a metric; minus infinity where it was not measured."""
        value = getattr(self, metric, None)
        return float("-inf") if value is None else float(value)

    def reaches(self, target: Target | None) -> bool:
        """Whether the image is good enough; False without a target."""
        return target is not None and self.value(target.metric) >= target.value


def measure_closeness(image: Pixels, given: Pixels) -> tuple[float | None, float]:
    """SSIM, unless the images are below 7x7 pixels, and PSNR of two images, uint8 (S, S, 3)."""
    large = min(given.shape[:2]) >= WINDOW
    similarity = float(ssim(image[None], given[None])[0]) if large else None
    return similarity, float(psnr(image[None], given[None])[0])
