#!/bin/sh
# Prints our figures beside scikit-learn's and polars' own, measured on this machine in one run.
#
#     cargo build --release
#     sh benches/peer/setup.sh
#     sh benches/run.sh [--rows N] [--fit-rows N] [--repeat N] [--only PART,...] [--temp DIR]
#
# `sh benches/run.sh --help` says what the parts are; `served` needs wrk (Debian: `apt-get install wrk`). The program is ${CARGO_TARGET_DIR:-target}/release/recipe,
# or $RECIPE_BIN. 10 million rows take about 5 GB in the temporary directory, which is emptied at the end.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
exec "${RECIPE_PEER_VENV:-$HOME/.cache/recipe/peer}/bin/python" "$here/peer/run.py" --program "${RECIPE_BIN:-$target/release/recipe}" "$@"
