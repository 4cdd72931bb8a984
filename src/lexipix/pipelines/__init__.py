"""One folder per pipeline: ``nodes.py`` holds pure functions, ``pipeline.py`` their wiring."""
