"""The ingestion: captions, duplicates, splits, and the report."""
