"""Holes filled and noise removed by `kedro restore`, beside a mean color and OpenCV.

    python benchmarks/restoration.py [--env ENV] [--images 64] [--steps N] [--seed 0]

Needs a whole run of the environment and OpenCV (extra `bench`). Test images, evenly spaced, get a square hole
at a random place, or Gaussian noise. PSNR and SSIM are means over images, inside the hole only (SSIM: of the
windows whose middle lies in it) or, for noise, of the whole image. "Text alone" fills the hole with the image
of the true caption, without optimization. The ceiling fills it with what the VAE makes of the intact image.
The captioner sees the hole in the mean color of the rest, or the noise. OpenCV inpaints with a radius of 3
pixels. The strength of its denoisers is the one of five with the best PSNR, and their time that of all five;
in practice nobody tells them the best one.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from record import REPOSITORY, Row, options, save
from rich.console import Console

from lexipix.cli.options import with_options
from lexipix.cli.project_context import ProjectContext
from lexipix.config.generation import RestoreParameters
from lexipix.data.captioned import captioned
from lexipix.data.images import evenly_spaced
from lexipix.evaluation.direct_path import LatentCodec
from lexipix.inference.restoration import RestorationModel, restore
from lexipix.inference.restoration_result import DamagedImages
from lexipix.metrics.images import WINDOW, psnr, ssim
from lexipix.reporting.contact_sheet import comparison_sheet

Pixels = NDArray[np.uint8]
Method = Callable[[DamagedImages], Pixels]
HOLES = (1 / 8, 1 / 4, 3 / 8, 1 / 2)  # sides as shares of the image's
NOISES = (10.0, 25.0, 50.0)  # standard deviations in levels
MARGIN = WINDOW // 2  # between a hole and the border, so that each of its pixels is the middle of a window
RADIUS = 3  # pixels that OpenCV looks at around each pixel
BLURS = (0.4, 0.6, 0.8, 1.0, 1.4)  # standard deviations in pixels
STRENGTHS = (0.4, 0.6, 0.8, 1.0, 1.2)  # of non-local means, in standard deviations of the noise
BATCH, N_SHOWN = 64, 6
OPENCV = "opencv-python-headless==5.0.0.93"


class Ours:
    """The methods of lexipix, with the models of an environment."""

    def __init__(
        self, context: ProjectContext, captions: Sequence[str], parameters: RestoreParameters, seed: int
    ) -> None:
        run = context.parameters.run
        self.model = RestorationModel(context.load("vae"), context.load("prior"), run)
        self.codec = LatentCodec(context.load("vae"), run, BATCH)
        self.captioner = context.captioner().captioner
        self.captions, self.parameters, self.seed = captions, parameters, seed

    def methods(self) -> dict[str, Method]:
        """Name and method, with either kind of text."""
        return {
            "lexipix, true caption": lambda damaged: self.restored(damaged, self.captions),
            "lexipix, generated caption": lambda damaged: self.restored(
                damaged, self.captioner.caption(damaged.filled())
            ),
        }

    def restored(self, damaged: DamagedImages, texts: Sequence[str], **changes: int) -> Pixels:
        """The images, restored in batches."""
        parameters, found = with_options(self.parameters, **changes), []
        for start in range(0, len(texts), BATCH):
            rows = slice(start, start + BATCH)
            part = DamagedImages(damaged.images[rows], damaged.holes[rows], damaged.noise)
            found.append(restore(part, texts[rows], self.model, parameters, self.seed).images)
        return np.concatenate(found)

    def text_alone(self, damaged: DamagedImages) -> Pixels:
        """The images with holes filled by the images of their true captions."""
        return self.restored(damaged, self.captions, steps=0)

    def ceiling(self, damaged: DamagedImages) -> Pixels:
        """The images as the VAE codes them, holes included."""
        return self.codec.reconstruct(damaged.images)


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment of models and images [default: base]")
    parser.add_argument("--images", type=int, default=64, help="test images, evenly spaced [default: 64]")
    parser.add_argument("--steps", type=int, help="of the optimization [default: generation.restore.steps]")
    parser.add_argument("--seed", type=int, default=0, help="of holes, noise and candidates [default: 0]")
    arguments = options(parser, dict)
    if importlib.util.find_spec("cv2") is None:
        raise SystemExit(f"OpenCV is not installed: .venv/bin/pip install {OPENCV}")
    context = ProjectContext(REPOSITORY, arguments.env)
    data = captioned(context.load("image_splits").test)
    rows = evenly_spaced(len(data), arguments.images)
    images, captions = np.asarray(data.images[rows]), [data.captions[row] for row in rows.tolist()]
    parameters = with_options(context.parameters.generation.restore, steps=arguments.steps)
    ours = Ours(context, captions, parameters, arguments.seed)
    table, sheet = holes(images, ours, arguments.seed)
    table += noises(images, ours, arguments.seed)
    facts = {
        "env": arguments.env or "base", "images": len(images), "image size": images.shape[1],
        **parameters.model_dump(), "seed": arguments.seed,
    }  # fmt: skip
    notes = (__doc__ or "").split("\n\n")[-1]
    page = save("restoration", table, facts, arguments.out, notes, images={"restoration": sheet})
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def holes(images: Pixels, ours: Ours, seed: int) -> tuple[list[Row], Pixels]:
    """A row for each side of a hole and method, and a sheet of the first images with the middle side."""
    size, rows = images.shape[1], list[Row]()
    sides = sorted({min(max(1, round(share * size)), size - 2 * MARGIN) for share in HOLES})
    methods: dict[str, Method] = {
        "mean color": DamagedImages.filled,
        "OpenCV, Telea": partial(inpainted, method="INPAINT_TELEA"),
        "OpenCV, Navier-Stokes": partial(inpainted, method="INPAINT_NS"),
        **ours.methods(),
        "text alone": ours.text_alone,
        "ceiling": ours.ceiling,
    }
    shown: dict[str, Pixels] = {}
    for side in sides:
        marked, corners = square_holes(len(images), size, side, seed)
        damaged = DamagedImages(images, marked)
        found, parts = compared(f"hole of {side}x{side} pixels", methods, damaged)
        for row in parts:
            row |= scores_inside(found[row["method"]], images, corners, side)
        rows += parts
        if side == sides[len(sides) // 2]:
            hidden = np.where(marked[..., None], np.uint8(128), images)
            shown = {"given": hidden, **found, "real": images}
    sheet = comparison_sheet({name: some[:N_SHOWN] for name, some in shown.items()}, max(1, 128 // size))
    return rows, sheet


def noises(images: Pixels, ours: Ours, seed: int) -> list[Row]:
    """A row for each strength of noise and method."""
    rows, whole = list[Row](), np.zeros(images.shape[:3], np.bool_)
    methods: dict[str, Method] = {
        "nothing": lambda damaged: damaged.images,
        "OpenCV, Gaussian blur": partial(blurred, images=images),
        "OpenCV, non-local means": partial(averaged, images=images),
        **ours.methods(),
    }
    for noise in NOISES:
        damaged = DamagedImages(with_noise(images, noise, seed), whole, noise)
        found, parts = compared(f"noise of {noise:g} levels", methods, damaged)
        for row in parts:
            row |= mean_scores(found[row["method"]], images)
        rows += parts
    return rows


def compared(
    name: str, methods: Mapping[str, Method], damaged: DamagedImages
) -> tuple[dict[str, Pixels], list[Row]]:
    """The images that each method makes of damaged ones, and rows with the time it takes."""
    found, rows = dict[str, Pixels](), list[Row]()
    for method, call in methods.items():
        with Console(stderr=True).status(f"{name}: {method}"):
            began = time.perf_counter()
            found[method] = call(damaged)
            milliseconds = 1000 * (time.perf_counter() - began) / len(damaged.images)
        rows.append({"damage": name, "method": method, "ms per image": milliseconds})
    return found, rows


def square_holes(
    n_images: int, size: int, side: int, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """A square at a random place in each image, (N, S, S), and its top left corner, (N, 2)."""
    rng = np.random.default_rng([seed, side])
    corners = rng.integers(MARGIN, size - MARGIN - side + 1, (n_images, 2))
    marked = np.zeros((n_images, size, size), np.bool_)
    for row, (top, left) in enumerate(corners.tolist()):
        marked[row, top : top + side, left : left + side] = True
    return marked, corners


def with_noise(images: Pixels, noise: float, seed: int) -> Pixels:
    """Images with Gaussian noise, limited to 8 bits; premultiplied colors to their alpha."""
    draws = np.random.default_rng([seed, int(noise)]).normal(0, noise, images.shape)
    noisy = np.clip(images + draws, 0, 255).round().astype(np.uint8)
    if images.shape[-1] == 4:
        noisy[..., :3] = np.minimum(noisy[..., :3], noisy[..., 3:])
    return noisy


def scores_inside(found: Pixels, images: Pixels, corners: NDArray[np.int64], side: int) -> Row:
    """PSNR and SSIM of the squares with these corners."""

    def squares(some: Pixels, margin: int) -> Pixels:
        parts = zip(some, corners.tolist(), strict=True)
        reach = side + margin
        return np.stack([image[y - margin : y + reach, x - margin : x + reach] for image, (y, x) in parts])

    inside = squares(found, 0), squares(images, 0)
    around = squares(found, MARGIN), squares(images, MARGIN)
    return _scores(psnr(*inside), ssim(*around))


def mean_scores(found: Pixels, images: Pixels) -> Row:
    """PSNR and SSIM of whole images."""
    return _scores(psnr(found, images), ssim(found, images))


def _scores(decibels: NDArray[np.float64], similarities: NDArray[np.float64]) -> Row:
    """Mean PSNR, the PSNR of the mean squared error, and mean SSIM of images.

    An exact image counts 100 dB in the mean of PSNR, where few of them outweigh many good ones.
    """
    pooled = -10 * np.log10(np.mean(10 ** (-decibels / 10)))
    return {
        "PSNR": float(decibels.mean()),
        "PSNR of the mean error": float(pooled),
        "SSIM": float(similarities.mean()),
    }


def inpainted(damaged: DamagedImages, method: str) -> Pixels:
    """Holes filled by OpenCV."""
    import cv2

    def fill(image: Pixels, hole: NDArray[np.bool_]) -> Pixels:
        call = partial(cv2.inpaint, inpaintMask=hole.astype(np.uint8), inpaintRadius=RADIUS)
        colors = call(np.ascontiguousarray(image[..., :3]), flags=getattr(cv2, method))
        if image.shape[-1] == 3:
            return colors
        alpha = call(np.ascontiguousarray(image[..., 3]), flags=getattr(cv2, method))[..., None]
        return np.concatenate([np.minimum(colors, alpha), alpha], axis=-1)

    return np.stack([fill(*one) for one in zip(damaged.images, damaged.holes, strict=True)])


def blurred(damaged: DamagedImages, images: Pixels) -> Pixels:
    """Images blurred by OpenCV, with the width of the best PSNR."""
    import cv2

    def blur(deviation: float) -> Pixels:
        return np.stack([cv2.GaussianBlur(image, (0, 0), deviation) for image in damaged.images])

    return max(map(blur, BLURS), key=lambda found: float(psnr(found, images).mean()))


def averaged(damaged: DamagedImages, images: Pixels) -> Pixels:
    """Images after OpenCV's non-local means, with the strength of the best PSNR."""
    import cv2

    def denoise(strength: float) -> Pixels:
        h = strength * damaged.noise
        return np.stack([cv2.fastNlMeansDenoising(np.ascontiguousarray(one), h=h) for one in damaged.images])

    return max(map(denoise, STRENGTHS), key=lambda found: float(psnr(found, images).mean()))


if __name__ == "__main__":
    main()
