#!/usr/bin/env bash
# Write requirements.lock anew: the newest versions that pyproject.toml admits, installed into a throw-away environment.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
python=$folder/venv/bin/python

scripts/install_torch.sh "$python"
"$python" -m pip install -qq --disable-pip-version-check ".[all,audit,dev]" ./client
{
  sed -n '/^#/p' requirements.lock
  # Without the libraries of one torch build, and with torch's version but not its build.
  "$python" -m pip freeze --all --exclude cdmt-client --exclude cdmt-ehr --exclude pip | grep -v -E '^(cuda-|nvidia-|triton)' |
    sed -e 's/^\(torch==[0-9.]*\)+.*/\1/' -e 's/ @ .*//'
} >"$folder/lock"
mv "$folder/lock" requirements.lock
echo "requirements.lock is new; run make check and make test before you keep it."
