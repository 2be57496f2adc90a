#!/usr/bin/env bash
# Makes (where needed) the one virtual environment of this project and prints its folder.
#
#   tools/venv.sh        the app's packages
#   tools/venv.sh dev    the same environment, plus the test tools
#
# The folder stands outside the clone and is keyed by a hash of the requirement files, so that
# several clones share it; environments of older hashes are removed, for each takes about 6 GB.
# VENV=/some/folder overrides the place, and is then never removed.
set -euo pipefail
cd "$(dirname "$0")/.."
want=${1:-app}
python=${PYTHON:-python3}
home=${XDG_CACHE_HOME:-$HOME/.cache}/labelloom
key=$(cat requirements.txt requirements-dev.txt | sha256sum | cut -c1-12)-$("$python" -c 'import sys; print("py%d%d" % sys.version_info[:2])')
venv=${VENV:-$home/venv-$key}

ready() { [ -e "$venv/.ready-$1-$key" ]; }
if ready "$want"; then echo "$venv"; exit 0; fi

mkdir -p "$(dirname "$venv")"
exec 9>"$(dirname "$venv")/.$(basename "$venv").lock"
flock 9                                     # two makes at once build one environment, not half of two
if ! ready "$want"; then
  {
    if [ -z "${VENV:-}" ]; then
      for old in "$home"/venv-*; do [ -d "$old" ] && [ "$old" != "$venv" ] && rm -rf "$old"; done
    fi
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    pip=("$venv/bin/python" -m pip install --disable-pip-version-check --progress-bar off -q)
    ready app || { echo "Installing the app's packages into $venv (once; several minutes)…"; "${pip[@]}" -r requirements.txt; touch "$venv/.ready-app-$key"; }
    if [ "$want" = dev ]; then
      echo "Installing the test tools into $venv…"; "${pip[@]}" -r requirements.txt -r requirements-dev.txt; touch "$venv/.ready-dev-$key"
    fi
  } >&2
fi
echo "$venv"
