#!/usr/bin/env bash
# Make the environment .venv: setup.sh EXTRAS, such as "all" or "all,dev". Can be run again at any time.
set -euo pipefail
cd "$(dirname "$0")/.."
extras=$1

fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

find_python() {
  local name
  for name in "${PYTHON:-python3}" python3.14 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "$name"; return; fi
  done
  fail "Python 3.11 or later is needed, and $(python3 --version 2>/dev/null || echo 'no python3') is what is here. Install one and say where it is: make PYTHON=/path/to/python3.11 ..."
}

python=$(find_python)
# A virtual environment does not survive being moved or half made: then it is made anew.
if ! grep -qsF "$PWD/.venv" .venv/pyvenv.cfg || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "$python has no ensurepip. On Debian or Ubuntu: apt-get install python3-venv (then again)."
  echo "Creating .venv with $("$python" --version)."
  rm -rf .venv
  "$python" -m venv .venv
fi

pip=(.venv/bin/python -m pip install -qq --disable-pip-version-check)
case $extras in *all* | *worker* | *model*) scripts/install_torch.sh .venv/bin/python ;; esac
echo "Installing cdmt-ehr[$extras]."
"${pip[@]}" --constraint requirements.lock --editable ".[$extras]" --editable client
case $extras in *all* | *worker* | *model*) scripts/build_engine.sh .venv/bin/python ;; esac
