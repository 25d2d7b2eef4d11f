"""Run-time data: what programs open by themselves, by which evidence, and where it is here."""
