"""How durations are written."""


def format_seconds(seconds: float) -> str:
    """Formats a duration: ``4.5 s``, ``45 s``, ``3 min 20 s``, ``1 h 05 min``."""
    minutes, whole = divmod(round(seconds), 60)
    if not minutes:
        return f"{whole} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{minutes} min {whole:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
