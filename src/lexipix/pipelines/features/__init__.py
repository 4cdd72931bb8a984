"""Features: an image encoder and a text encoder trained to agree, and the embedding of every image."""
