"""Captioner: a language model that reads the image encoder's output and writes the caption."""
