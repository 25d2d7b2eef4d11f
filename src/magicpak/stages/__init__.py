"""The stages of the job, one a module: each takes the run and the plan, and returns the plan."""
