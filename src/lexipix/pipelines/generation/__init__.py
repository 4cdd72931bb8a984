"""Draws the prompts of the parameters; without torch."""
