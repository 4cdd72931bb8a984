"""Types and ranges of the parameters; their defaults and meaning are in ``conf/base``."""
