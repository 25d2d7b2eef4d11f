#!/bin/sh
# Adds up orders by customer: [{"customer": "Ada", "price": 2.5}, …] on stdin.
set -eu

lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
jq -r '.[] | "\(.customer)\t\(.price)"' > "$lines"
printf '%s orders\n' "$(wc -l < "$lines")"
awk -F '\t' '{ total[$1] += $2 } END { for (name in total) print name, total[name] }' "$lines" |
  sort |
  sed 's/ /: /'
