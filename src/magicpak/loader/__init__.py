"""Where the dynamic loader of an executable finds its libraries."""
