#!/usr/bin/env bash
# Installs the system libraries that nano-kimi uses. Safe to run again: what is there is left alone.
#
#   OpenBLAS and LAPACKE   large matrix products and the exact polar factor, loaded at run time
#   Cairo                  the pictures of a run
#   SentencePiece          the tokenizer of the stories study
set -euo pipefail

if ! command -v swift >/dev/null; then
  echo "setup: Swift is not on the PATH. Install Swift 6.2 or newer from swift.org, then run this again." >&2
  exit 1
fi

case "$(uname -s)" in
  Linux)
    packages=(libopenblas-dev liblapacke-dev libcairo2-dev libsentencepiece-dev pkg-config)
    missing=()
    for package in "${packages[@]}"; do
      dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    if [ ${#missing[@]} -eq 0 ]; then
      echo "setup: ${packages[*]} are installed."
      exit 0
    fi
    if ! command -v apt-get >/dev/null; then
      echo "setup: there is no apt-get here; install OpenBLAS, LAPACKE, Cairo, SentencePiece and pkg-config, with their headers," \
        "by this system's own package manager." >&2
      exit 1
    fi
    root=()
    if [ "$(id -u)" -ne 0 ]; then
      command -v sudo >/dev/null || { echo "setup: run as root or install sudo: ${missing[*]} are missing." >&2; exit 1; }
      root=(sudo)
    fi
    echo "setup: installing ${missing[*]} with apt-get."
    "${root[@]}" apt-get update -q
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" fonts-dejavu-core
    ;;
  Darwin)
    command -v brew >/dev/null || { echo "setup: install Homebrew from brew.sh, then run this again." >&2; exit 1; }
    for package in openblas lapack cairo sentencepiece pkg-config; do
      if brew list --versions "$package" >/dev/null; then
        echo "setup: $package is installed."
      else
        echo "setup: installing $package with Homebrew."
        brew install "$package"
      fi
    done
    ;;
  *)
    echo "setup: $(uname -s) is not supported; install OpenBLAS, LAPACKE, Cairo and SentencePiece by hand." >&2
    exit 1
    ;;
esac
echo "setup: done."
