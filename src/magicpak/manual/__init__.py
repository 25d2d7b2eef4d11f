"""The manual: the pages of this folder, and what the command line says of itself."""
