"""Measures of pictures, text, retrieval, distributions and speed; pure functions of arrays."""
