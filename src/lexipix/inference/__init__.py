"""Trained models in use: prompts to images, images to captions, images drawn again."""
