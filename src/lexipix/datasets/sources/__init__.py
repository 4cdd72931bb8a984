"""Sources of images: the embedded scenes, CIFAR-10, and a user's folder.

Only this package reads the files of a source; nodes get :class:`lexipix.utils.types.SourceImage`.
"""
