"""Judges the counts of a schemathesis run: enough cases, every operation reached, no 500, next to no 429."""

import json
import sys

CASES_MIN = 5000
REACHED_MIN = 0.90
LIMITED_MAX = 0.01
LEFT_OUT = {"events_stream", "session_end"}

counts = json.load(open(sys.argv[1]))
document = json.load(open(sys.argv[2]))
operations = {operation["operationId"] for item in document["paths"].values() for operation in item.values()} - LEFT_OUT
total = sum(sum(row.values()) for row in counts.values())
by_status = {}
for row in counts.values():
    for status, number in row.items():
        by_status[status] = by_status.get(status, 0) + number
reached = {name for name in operations if any(status.startswith("2") for status in counts.get(name, {}))}
missed = sorted(operations - reached)
share = len(reached) / len(operations)
limited = by_status.get("429", 0) / max(total, 1)

print(f"schemathesis: {total} cases over {len(operations)} operations")
print("  answers: " + ", ".join(f"{status} x {number}" for status, number in sorted(by_status.items())))
print(f"  reached with 2xx: {len(reached)} of {len(operations)} ({share:.0%}); not: {', '.join(missed) or 'none'}")
wrong = []
if total < CASES_MIN:
    wrong.append(f"{total} cases are fewer than {CASES_MIN}")
if share < REACHED_MIN:
    wrong.append(f"only {share:.0%} of the operations gave a 2xx")
if limited > LIMITED_MAX:
    wrong.append(f"{limited:.1%} of the answers were 429")
if any(by_status.get(status) for status in ("500", "501", "502", "504")):
    wrong.append("there were faults of the server")
for line in wrong:
    print("  wrong: " + line)
sys.exit(1 if wrong else 0)
