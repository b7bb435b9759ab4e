#!/bin/sh
# Installs what looks at the cards in a real browser, outside the checkout: playwright-core, which drives it, and axe-core, which
# looks for what keeps people out. The browser itself is the machine's own Chromium (Debian: `apt-get install chromium`).
#
#     sh tests/browser/setup.sh
#
# Place: $RECIPE_BROWSER, else ~/.cache/recipe/browser. Needs node 20 or later, npm and the network. Run it again after a change of
# package.json; what fits already is left alone. Without the place, node or Chromium the test says so and passes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
place=${RECIPE_BROWSER:-$HOME/.cache/recipe/browser}
mkdir -p "$place"
cp "$here/package.json" "$here/package-lock.json" "$place/"
cd "$place"
npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
echo "$place"
