#!/bin/sh
# Makes the database at the first start, with the password in POSTGRES_PASSWORD, and serves it.
set -e
data=/var/lib/postgresql/data

if [ ! -e "$data/PG_VERSION" ]; then
  umask 077
  printf '%s\n' "${POSTGRES_PASSWORD:?is not set}" > /tmp/password
  initdb --pgdata="$data" --pwfile=/tmp/password --auth-local=peer --auth-host=scram-sha-256
  rm /tmp/password
  echo 'host all all all scram-sha-256' >> "$data/pg_hba.conf"
fi
exec postgres -D "$data" -h '*' "$@"
