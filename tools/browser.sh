#!/usr/bin/env bash
# Sees to a browser for the tests: Playwright's own, else the system's Chromium, else installs one.
set -euo pipefail
python=$1
[ -x /usr/bin/chromium ] && exit 0
"$python" - <<'PY' && exit 0
import sys
from pathlib import Path
from playwright.sync_api import sync_playwright

with sync_playwright() as play:
    sys.exit(0 if Path(play.chromium.executable_path).exists() else 1)
PY
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  echo "Installing Chromium for the browser tests…" >&2
  apt-get update -qq >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium fonts-noto-color-emoji >/dev/null 2>&1 \
    || { echo "Chromium could not be installed with apt-get." >&2; exit 1; }
else
  "$python" -m playwright install chromium >&2
fi
