#!/usr/bin/env bash
# Shows that a release needs nothing of its host: not a library, not a folder, not a name-service file.
#
#     packaging/check-static.sh BINARY        as root; needs file, curl, strace
set -euo pipefail

BYTES_MAX=30000000
START_MAX_S=60
STOP_MAX_S=30

binary=$(readlink -f "${1:?which binary}")
jail=$(mktemp -d)
report=$(mktemp -d)
running=""

clean_up() {
    [ -z "$running" ] || kill -KILL "$running" 2>/dev/null || true
    rm -rf "$jail" "$report"
}
trap clean_up EXIT

fail() {
    echo "not a static release: $*" >&2
    if [ -s "$report/err" ]; then
        tail -n 20 "$report/err" >&2
    fi
    exit 1
}

# Waits until a command succeeds: SECONDS WHAT COMMAND...
wait_until() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || fail "$what"
        sleep 0.1
    done
}

is_gone() { ! kill -0 "$running" 2>/dev/null; }
has_answered() { [ "$(wc -l <"$report/out")" -ge 1 ] || is_gone; }

form=$(file -b "$binary")
grep -Eq 'statically linked|static-pie linked' <<<"$form" || fail "$form"
bytes=$(stat -c %s "$binary")
[ "$bytes" -lt "$BYTES_MAX" ] || fail "$bytes bytes; a release has less than $BYTES_MAX"

# An empty world: the binary, a folder to write to, and where to ask for names.
mkdir -m 0755 "$jail/etc"
mkdir -m 1777 "$jail/tmp"
cp "$binary" "$jail/bodega"
cp /etc/resolv.conf "$jail/etc/resolv.conf"
chmod 0755 "$jail"

# Starts the demo in the empty world, asks for its health, and stops it. The arguments stand before the command.
run_in_jail() {
    : >"$report/out"
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=/tmp HOME=/tmp \
        "$@" chroot "$jail" /bodega demo --json --listen 127.0.0.1:0 >"$report/out" 2>"$report/err" &
    running=$!
    wait_until "$START_MAX_S" "no line on stdout within $START_MAX_S s" has_answered
    is_gone && fail "it ended by itself"
    [ "$(wc -l <"$report/out")" = 1 ] || fail "stdout is not one line: $(head -c 400 "$report/out")"
    grep -Eq '^\{.*\}$' "$report/out" || fail "the line is not a JSON object: $(head -c 400 "$report/out")"
    local url
    url=$(sed -n 's/.*"url":"\(http:[^"]*\)","admin_url".*/\1/p' "$report/out")
    [ -n "$url" ] || url=$(grep -o 'http://127\.0\.0\.1:[0-9]*' "$report/out" | head -n 1)
    [ -n "$url" ] || fail "the line names no address: $(head -c 400 "$report/out")"
    curl --fail --silent --show-error --max-time 10 --noproxy '*' "${url%/}/healthz" >"$report/health" || fail "${url%/}/healthz does not answer"
    kill -TERM "$running"
    wait_until "$STOP_MAX_S" "it does not stop within $STOP_MAX_S s" is_gone
    local status=0
    wait "$running" || status=$?
    running=""
    [ "$status" = 0 ] || fail "it stopped with status $status"
}

run_in_jail
# -D: the tracer stands aside, so that the process we know and stop is the program itself.
run_in_jail strace -D -f -qq -e trace=%file -o "$report/trace"
wait_until 10 "the trace does not show the program's start" grep -q 'execve("/bodega"' "$report/trace"
# What stands before the program's own start is chroot's.
sed '1,/execve("\/bodega"/d' "$report/trace" >"$report/own"
if grep -E 'nsswitch\.conf|libnss_|libc\.so|ld-linux|/etc/ld\.so' "$report/own" >"$report/err"; then
    fail "it looked for the host's name service or loader"
fi

echo "static: $form"
echo "static: $bytes bytes; healthy in an empty root; stopped with 0; no NSS file and no loader was looked for"
