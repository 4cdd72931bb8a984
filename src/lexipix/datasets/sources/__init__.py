"""Where pictures come from: the embedded scenes, CIFAR-10, a user's folder.

Everything that reads a source's files is below this package; nodes see only records.
"""
