"""Kedro hooks, one class for each concern; ``lexipix.settings.HOOKS`` lists them."""
