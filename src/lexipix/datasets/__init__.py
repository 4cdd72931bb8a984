"""Kedro datasets: every byte read or written passes here."""
