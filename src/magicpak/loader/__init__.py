"""Find the libraries of an executable as its dynamic loader does."""
