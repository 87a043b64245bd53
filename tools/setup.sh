#!/usr/bin/env bash
# Makes the environment of this checkout: a virtual environment with heron (editable) and what its tests and linters need.
# Usage: tools/setup.sh [DIRECTORY]; PYTHON names the interpreter, 3.11 or newer; found by itself when unset.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}

fits() { "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

python=${PYTHON:-}
if [[ -z $python ]]; then
    for candidate in python3.11 python3.12 python3.13 python3 python; do
        if fits "$candidate"; then python=$candidate && break; fi
    done
fi
if [[ -z $python ]] || ! fits "$python"; then
    echo "setup: no usable Python${PYTHON:+ in '$PYTHON'}: heron needs 3.11 or newer with the venv and ensurepip modules" \
        "(on Debian: apt-get install python3 python3-venv); name one by PYTHON=/path/to/python" >&2
    exit 1
fi
for tool in cc ld; do
    command -v "$tool" >/dev/null ||
        echo "setup: warning: no '$tool' here; heron links kernels with it (on Debian: apt-get install gcc libc6-dev)" >&2
done

echo "setup: $("$python" --version) → $venv (downloads about 400 MB the first time)"
"$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip -qq --disable-pip-version-check --no-input)
"${pip[@]}" install --upgrade 'pip>=25.1' # the first that knows dependency groups
"${pip[@]}" install --editable . --group test --group lint
echo "setup: done; $("$venv/bin/heron" --version)"
