"""The handlers of the package `handlers`, each through the code that serves real clients."""
