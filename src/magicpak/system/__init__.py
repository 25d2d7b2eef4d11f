"""Run programs, call the kernel, and find external tools."""
