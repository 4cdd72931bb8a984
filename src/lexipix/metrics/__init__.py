"""Metrics of images, captions, retrieval, distributions and speed; functions of arrays and texts."""
