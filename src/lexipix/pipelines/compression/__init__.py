"""Compression: smaller and faster variants of the generators and the captioner, and the champions."""
