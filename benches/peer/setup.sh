#!/bin/sh
# Makes the Python environment that parity.py and the benchmarks use, outside the checkout.
#
#     sh benches/peer/setup.sh
#
# Place: $RECIPE_PEER_VENV, else ~/.cache/recipe/peer. Needs Python 3.11 or later and the network. Run it again
# after a change of requirements.txt; what fits already is left alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
place=${RECIPE_PEER_VENV:-$HOME/.cache/recipe/peer}
[ -x "$place/bin/python" ] || python3 -m venv "$place"
"$place/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
echo "$place"
