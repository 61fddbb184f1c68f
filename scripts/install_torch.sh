#!/usr/bin/env bash
# Install the pinned torch: install_torch.sh PYTHON. A GPU build where nvidia-smi shows a GPU, else a CPU build.
# TORCH_INDEX=URL takes it from there. With a folder, install_torch.sh PYTHON FOLDER, its wheel is put there instead.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
version=$(sed -n 's/^torch==//p' requirements.lock)
pip=("$python" -m pip install -qq --disable-pip-version-check)
if [ $# -gt 1 ]; then pip=("$python" -m pip download -qq --disable-pip-version-check --dest "$2"); fi

installed() { "$python" -c 'import importlib.metadata as m; print(m.version("torch").split("+")[0])' 2>/dev/null; }
has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; }

if [ $# -eq 1 ] && [ "$(installed)" = "$version" ]; then exit 0; fi

if [ -n "${TORCH_INDEX:-}" ]; then
  exec "${pip[@]}" --index-url "$TORCH_INDEX" "torch==$version"
fi

if has_gpu; then
  echo "A GPU is here: taking torch $version with CUDA (about 3 GB)."
  exec "${pip[@]}" "torch===$version"  # === leaves out builds with a suffix, such as +cpu
fi

echo "No GPU is here: taking the CPU build of torch $version (about 200 MB)."
# The next step installs what torch needs; --no-deps keeps these attempts from reaching further than they should.
if "${pip[@]}" --no-index --no-deps "torch==$version" 2>/dev/null; then exit 0; fi
if "${pip[@]}" --no-deps --timeout 15 --retries 0 --index-url https://download.pytorch.org/whl/cpu \
  "torch===$version+cpu" 2>/dev/null; then exit 0; fi
echo "https://download.pytorch.org/whl/cpu cannot be reached: taking torch $version from the package index, with CUDA (about 3 GB)."
exec "${pip[@]}" "torch==$version"
