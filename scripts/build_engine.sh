#!/usr/bin/env bash
# Compile what draws (model/inference/native) and trains (model/diffusion/native) for every instruction set that this kind
# of machine may have: build_engine.sh PYTHON. The compiler is CXX, or one on PATH, or else zig, fetched from the package
# index for the occasion. Without a compiler nothing is built, and torch's own operations draw and train.
set -euo pipefail
python=$(command -v "$1") # it may be a path from the folder that we are about to leave
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/${python##*/} ;; esac
cd "$(dirname "$0")/../model"
zig=ziglang==0.17.1 # 100 MB
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compiler=()
for name in ${CXX:+"$CXX"} c++ g++ clang++; do
  if command -v "$name" >/dev/null; then compiler=("$name"); break; fi
done
if [ ${#compiler[@]} -eq 0 ]; then
  echo "No C++ compiler is here: fetching $zig for a moment."
  if "$python" -m pip install -qq --disable-pip-version-check --no-deps --target "$work/zig" "$zig"; then
    export PYTHONPATH=$work/zig ZIG_GLOBAL_CACHE_DIR=$work/cache ZIG_LOCAL_CACHE_DIR=$work/cache
    # without these, zig compiles for the processor that it runs on, and traps undefined behaviour
    compiler=("$python" -m ziglang c++ -target "$(uname -m)-linux-gnu.2.17" -mcpu=baseline -fno-sanitize=undefined
      -nostdlib++)
  else
    echo "It cannot be had: torch's own operations will draw and train, which is slower (docs/speed.md)."
    rm -f {inference,diffusion}/native/*.so # of other sources, perhaps
    exit 0
  fi
fi

# 'compile NAME FLAGS': under its final name only once it is whole, since a process may be loading the old one.
compile() {
  local name=$1 source folder flags=(-std=c++17 -O3 -fPIC -shared -fno-exceptions -fno-rtti -fno-math-errno
    -fno-trapping-math -Wno-psabi)
  shift
  for source in inference/native/fused.cpp diffusion/native/gates.cpp; do
    folder=$(dirname "$source")
    if "${compiler[@]}" "${flags[@]}" "$@" "$source" -o "$work/$name.so" 2>"$work/log"; then
      cp "$work/$name.so" "$folder/$name.$$.part" && mv "$folder/$name.$$.part" "$folder/$name.so"
    else
      echo "$source could not be compiled for '$name', which will not be used:"
      head -5 "$work/log"
      rm -f "$folder/$name.so"
    fi
  done
}

compile generic
if [ "$(uname -m)" = x86_64 ]; then
  avx512=(-mfma -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
  compile avx2 -mfma -mavx2
  compile avx512 "${avx512[@]}"
  compile amx "${avx512[@]}" -mamx-tile -mamx-bf16
fi
