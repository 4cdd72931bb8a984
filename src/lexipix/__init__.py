"""lexipix: a set of pictures becomes a fast text-to-image model, reproducibly."""

__version__ = "0.1.0"
