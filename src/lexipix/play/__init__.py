"""The page of ``kedro play``: it holds the layout, and the public API does the work. It needs Gradio.

The static page of ``kedro export-page`` does not.
"""
