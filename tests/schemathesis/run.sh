#!/usr/bin/env bash
# Tries the whole API out with generated requests: right ones, wrong ones, and chains of them. Fails on an answer that the OpenAPI document does
# not know, on any 500, when an operation is never reached, or when too few requests were sent.
#
# Usage: run.sh [--max-examples N] [path of the binary]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

examples=80
if [ "${1:-}" = --max-examples ]; then
    examples=$2
    shift 2
fi
binary=${1:-target/debug/bodega}
[ -x "$binary" ] || { echo "there is no $binary: build it first" >&2; exit 2; }

work=$(mktemp -d)
demo=
clean() {
    [ -z "$demo" ] || { kill "$demo" 2>/dev/null && wait "$demo" || true; }
    rm -rf "$work"
}
trap clean EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check schemathesis openapi-spec-validator

export BODEGA_LIMITS_API=1000000 BODEGA_LIMITS_PUBLIC=1000000 BODEGA_LIMITS_SIGN_IN=1000000 BODEGA_LIMITS_CHANNEL=1000000 \
    BODEGA_LIMITS_BAD_SIGNATURE=1000000
"$binary" demo --json --listen 127.0.0.1:0 >"$work/demo.json" 2>"$work/demo.log" &
demo=$!
for _ in $(seq 300); do
    [ -s "$work/demo.json" ] && break
    kill -0 "$demo" || { cat "$work/demo.log" >&2; exit 1; }
    sleep 0.1
done
BODEGA_DEMO=$(cat "$work/demo.json")
field() { python3 -c 'import json, os, sys; print(json.loads(os.environ["BODEGA_DEMO"])[sys.argv[1]])' "$1"; }
export BODEGA_DEMO BODEGA_COUNTS="$work/counts.json" SCHEMATHESIS_HOOKS="$PWD/tests/schemathesis/hooks.py"
url=$(field url)

curl -sf "$url/openapi.json" -o "$work/openapi.json"
"$work/venv/bin/python" -m openapi_spec_validator "$work/openapi.json"

# Left out: the stream, which does not end; and signing out, which the token cannot do. The run's own token is spared by the hooks.
status=0
(
    cd "$work"
    PYTHONDONTWRITEBYTECODE=1 venv/bin/st run "$url/openapi.json" --header "Authorization: Bearer $(field api_token)" \
        --phases examples,coverage,fuzzing,stateful --max-examples "$examples" --seed 20261121 --continue-on-failure --no-shrink \
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance \
        --exclude-operation-id events_stream --exclude-operation-id session_end \
        --request-timeout 30 --suppress-health-check all --generation-database none --no-color --report ndjson,junit --report-dir "$work/report"
) || status=$?
kill -0 "$demo" || { echo "the demo ended during the run" >&2; tail -20 "$work/demo.log" >&2; exit 1; }
if [ -n "${BODEGA_REPORT:-}" ]; then
    mkdir -p "$BODEGA_REPORT"
    cp -r "$work"/report "$work"/counts.json "$work"/demo.log "$BODEGA_REPORT"/
fi
python3 tests/schemathesis/judge.py "$work/counts.json" "$work/openapi.json" || status=1
exit "$status"
