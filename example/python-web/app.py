"""Adds numbers: GET /sum?of=1&of=2."""

from typing import Annotated

from fastapi import FastAPI, Query

app = FastAPI()


@app.get("/sum")
def total(of: Annotated[list[float], Query()]) -> dict[str, float]:
    """Answer with the sum of what was asked for."""
    return {"sum": sum(of)}
