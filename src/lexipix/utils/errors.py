"""The error class for mistakes that the user can fix."""


class LexipixError(ValueError):
    """A mistake that the user can fix, described in one sentence.

    The message names the file or the parameter's full key, the value found, the values allowed, and the fix.
    The command line prints it without a traceback; any other exception is a bug and keeps its traceback.
    """
