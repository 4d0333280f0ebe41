"""Built-in plugins, made of the same hooks as any other and importing only the public API."""
