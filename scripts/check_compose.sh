#!/usr/bin/env bash
# Whether Compose understands our files, alone and together; says nothing where there is no Compose.
set -euo pipefail
cd "$(dirname "$0")/.."
docker compose version >/dev/null 2>&1 || exit 0

export CDMT_TLS_CERT=LICENSE CDMT_TLS_KEY=LICENSE CDMT_ENCRYPTION_KEYS=LICENSE  # any files
for overrides in "" gpu tls encryption "gpu tls encryption"; do
  files=(-f docker-compose.yml)
  for override in $overrides; do files+=(-f "docker-compose.$override.yml"); done
  docker compose "${files[@]}" config --quiet
done
