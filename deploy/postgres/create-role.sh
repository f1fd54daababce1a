#!/bin/sh
# Runs once, when the database's volume is empty: a role for ZeroState that is no superuser, and its database.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set password="$ZEROSTATE_PASSWORD" <<'SQL'
CREATE ROLE zerostate LOGIN PASSWORD :'password';
CREATE DATABASE zerostate OWNER zerostate;
SQL
