#!/usr/bin/env bash
# Put all that a machine without a network needs into one file in dist/: make_bundle.sh BIN, which has pip and cyclonedx-py.
# For machines of this one's kind: operating system, processor and Python. IMAGES=1 adds the images of docker-compose.yml,
# which must have been built.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/$1
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
python_version=$("$bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
name=cdmt-ehr-$version-$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)-python$python_version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bundle=$work/$name
mkdir -p "$bundle/wheels" dist

echo "Collecting the wheels."
scripts/install_torch.sh "$bin/python" "$bundle/wheels"
rm -rf build client/build  # of an earlier version, whose modules would be packed, too
# async-timeout: redis asks for it on the oldest versions of Python 3.11, which the other machine may have.
"$bin/python" -m pip wheel -qq --disable-pip-version-check --constraint requirements.lock \
  --find-links "$bundle/wheels" --wheel-dir "$bundle/wheels" ".[all]" ./client async-timeout

echo "Listing the parts."
"$bin/python" -m venv --without-pip "$work/venv"
"$bin/python" -m pip --python "$work/venv/bin/python" install -qq --disable-pip-version-check \
  --no-index --find-links "$bundle/wheels" "cdmt-ehr[all]==$version" cdmt-client
"$bin/cyclonedx-py" environment --pyproject pyproject.toml --output-reproducible \
  --output-file "$bundle/sbom.cdx.json" "$work/venv/bin/python"

if [ -n "${IMAGES:-}" ]; then
  echo "Saving the images."
  mapfile -t images < <(docker compose config --images | sort --unique)
  docker save "${images[@]}" | gzip -1 >"$bundle/images.tar.gz"
fi

cp -r docs docker docker-compose*.yml requirements.lock README.md CHANGELOG.md LICENSE "$bundle"
cp scripts/install_offline.sh "$bundle/install.sh"
echo "$python_version $(uname -s) $(uname -m)" >"$bundle/PLATFORM"
(cd "$bundle" && find . -type f ! -name SHA256SUMS -print0 | sort --zero-terminated | xargs -0 sha256sum >SHA256SUMS)
tar -C "$work" --owner=0 --group=0 --sort=name -cf "dist/$name.tar" "$name"
(cd dist && sha256sum "$name.tar" | tee "$name.tar.sha256")
