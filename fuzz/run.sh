#!/bin/sh
# Runs a fuzz target on the stable compiler: the crate and the target are built to report what they cover, its dependencies as they always are.
#
#     sh fuzz/run.sh TARGET [libFuzzer's options, such as -max_total_time=600]
#
# Targets: document, template, interpolation, command_line. What was found interesting is kept in fuzz/corpus/TARGET and begins with the
# project's own YAML; a text that brings a target down is left in fuzz/artifacts. The first time it builds for ten minutes.
set -eu
if [ "${RECIPE_FUZZ_RUSTC:-}" ]; then # As RUSTC_WRAPPER of the build below.
    case " $* " in
    *" --crate-name recipe "* | *" targets/"*)
        set -- "$@" --cfg fuzzing -Cdebug-assertions -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
            -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
        ;;
    esac
    exec "$@"
fi
here=$(cd "$(dirname "$0")" && pwd)
target=${1:?the target: document, template, interpolation or command_line}
shift
cd "$here"
cp ../Cargo.lock Cargo.lock
built=${RECIPE_FUZZ_TARGET:-${XDG_CACHE_HOME:-$HOME/.cache}/recipe/fuzz}
RECIPE_FUZZ_RUSTC=1 RUSTC_WRAPPER="$here/run.sh" CARGO_TARGET_DIR=$built cargo build --bin "$target"
mkdir -p "corpus/$target" artifacts
if [ -z "$(ls "corpus/$target")" ] && [ "$target" != command_line ]; then
    find .. -name '*.yaml' -not -path '*/.*' -size -20k | while read -r file; do cp "$file" "corpus/$target/$(echo "$file" | tr -c 'a-z0-9\n' -)"; done
fi
exec "$built/debug/$target" "corpus/$target" -artifact_prefix=artifacts/ -timeout=10 -max_len=4096 "$@"
