#!/bin/sh
# Makes the Python environments that parity.py and the benchmarks use, outside the checkout.
#
#     sh benches/peer/setup.sh             the peers of parity.py and of the benchmarks
#     sh benches/peer/setup.sh mlflow      MLflow Recipes, which wants older versions of the same libraries
#     sh benches/peer/setup.sh mlflow3     an MLflow of the third line, for the tests of the tracking server
#     sh benches/peer/setup.sh flaml       FLAML, which does too
#     sh benches/peer/setup.sh interop     MLflow 3, onnxruntime, DuckDB: the programs that exported models are for
#
# Places: $RECIPE_PEER_VENV, else ~/.cache/recipe/peer; for the others that name with -mlflow, -mlflow3, -flaml or -interop behind it. Needs
# Python 3.11 or later and the network. Run it again after a change of the requirements; what fits already is left alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
place=${RECIPE_PEER_VENV:-$HOME/.cache/recipe/peer}${1:+-$1}
[ -x "$place/bin/python" ] || python3 -m venv "$place"
"$place/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements${1:+-$1}.txt"
echo "$place"
