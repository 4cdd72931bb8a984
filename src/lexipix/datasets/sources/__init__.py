"""Sources of images: the embedded scenes, CIFAR-10, and a user's folder. Only they read a source's files."""
