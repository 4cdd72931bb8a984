"""The one error that is meant for the user's eyes."""


class LexipixError(ValueError):
    """A mistake the user can mend, told in one sentence.

    The message names the file or the parameter's full key, the value found, what is allowed, and the
    mend. The command line prints it alone, without a traceback; anything else that is raised is a defect
    of this program and keeps its traceback.
    """
