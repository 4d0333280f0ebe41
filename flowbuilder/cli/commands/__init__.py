"""The built-in commands, one module each; what they share is in the package above."""
