"""torch modules and nothing else: each can be read without the trainer."""
