#!/usr/bin/env bash
# Builds the release as one file that needs nothing of its host. Prints the path of the binary as the only line on stdout.
#
#     packaging/build-static.sh [x86_64|aarch64]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

machine=${1:-$(uname -m)}
case $machine in
x86_64 | aarch64) ;;
*)
    echo "there is no release for $machine, only for x86_64 and aarch64" >&2
    exit 2
    ;;
esac

target=$machine-unknown-linux-gnu
if [ "$machine" != "$(uname -m)" ]; then
    # Another machine's linker and C compiler; SQLite and ring are C and assembly.
    tools=${machine}-linux-gnu
    if ! command -v "$tools-gcc" >/dev/null; then
        echo "$tools-gcc is missing; see packaging/README.md" >&2
        exit 1
    fi
    upper=$(tr 'a-z-' 'A-Z_' <<<"$target")
    export "CARGO_TARGET_${upper}_LINKER=$tools-gcc" "CC_${target//-/_}=$tools-gcc" "AR_${target//-/_}=$tools-ar"
fi

# The target is named even when it is the host's: otherwise the flags would reach build scripts and procedural macros too,
# which are loaded into the compiler and cannot be static.
# Chance comes from the system call alone: in an empty root there is no /dev/urandom to fall back to, and no loader to look the call up with.
RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"' cargo build --locked --release --bin bodega --target "$target" >&2

folder=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
echo "$folder/$target/release/bodega"
