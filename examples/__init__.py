"""Examples: each file is a flow, a plugin or a program to read, run and copy from."""
