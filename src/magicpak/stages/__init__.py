"""The stages of the pipeline, one per module. Each takes the run and a plan, and returns a plan."""
