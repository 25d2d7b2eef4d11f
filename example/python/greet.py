"""Greet somebody, in plain text or in JSON."""

import argparse

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--json", action="store_true")
parser.add_argument("name")
arguments = parser.parse_args()

greeting = f"Hello, {arguments.name}!"
if arguments.json:
    import json  # in this case only

    greeting = json.dumps({"greeting": greeting})
print(greeting)
