#!/usr/bin/env bash
# Install what lies beside this script, without a network: install.sh FOLDER, in which the program is bin/cdmt.
set -euo pipefail
cd "$(dirname "$0")"
[ $# -eq 1 ] || { echo "usage: install.sh FOLDER" >&2; exit 2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

read -r version system machine <PLATFORM
[ "$system $machine" = "$(uname -s) $(uname -m)" ] || fail "this bundle is for $system on $machine"
python=${PYTHON:-python$version}
"$python" -c "import ensurepip, sys; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" 2>/dev/null ||
  fail "Python $version with venv is needed; say where it is: PYTHON=/path/to/python$version ./install.sh $1"
sha256sum --check --quiet SHA256SUMS || fail "a file of this bundle is not as it was made"

"$python" -m venv "$1"
"$1/bin/python" -m pip install -q --disable-pip-version-check --no-index --find-links wheels "cdmt-ehr[all]" cdmt-client
echo "installed: $1/bin/cdmt"
