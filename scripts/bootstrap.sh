#!/bin/sh
# bootstrap.sh PYTHON VENV: makes the virtual environment and installs uv into it, hashes checked.
set -eu
python=$1 venv=$2

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
    echo "capibara6 needs Python 3.11 or later; '$python' is $("$python" --version 2>&1)." >&2
    echo "Name another one: make run PYTHON=/path/to/python3" >&2
    exit 2
}
if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
    echo "'$python' cannot make virtual environments. On Debian and Ubuntu:" >&2
    echo "    apt-get install python3-venv" >&2
    exit 2
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes \
    -r requirements/build.txt
