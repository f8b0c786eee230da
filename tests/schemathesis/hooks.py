"""What schemathesis cannot make up: ids that exist, signatures, and a key file. It also counts the answers and writes the counts at the end.

Every third call or so gets real values; the others stay as they were generated, so that refusals are tried as much as successes."""

import base64
import hashlib
import hmac
import json
import os
import random
import threading
import urllib.request

import schemathesis

DEMO = json.loads(os.environ["BODEGA_DEMO"])
# The emulated Google takes no other key.
KEY_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../assets/demo/google_service_account.json")
with open(KEY_FILE) as key:
    SERVICE_ACCOUNT = dict(json.load(key), token_uri=DEMO["sandboxes"]["google"] + "/token")
COUNTS = os.environ["BODEGA_COUNTS"]
CHANNEL = DEMO["channels"]["shopify"]
OWN_TOKEN = "tok_" + DEMO["api_token"].split("_")[1]
CHANCE = random.Random(1)
LOCK = threading.Lock()
SEEN = {}
# One sign-in link is handed out, and it works once.
LINK = [DEMO["sign_in_url"].split("code=")[1]]


def api(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": "Bearer " + DEMO["api_token"], "Content-Type": "application/json"}
    request = urllib.request.Request(DEMO["url"] + path, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        return json.load(response)


def sign(body):
    return base64.b64encode(hmac.new(CHANNEL["secret"].encode(), body, hashlib.sha256).digest()).decode()


def delivery_headers(body):
    return {
        "X-Shopify-Hmac-Sha256": sign(body),
        "X-Shopify-Topic": "orders/create",
        "X-Shopify-Shop-Domain": "haus-kaffee.myshopify.com",
        "X-Shopify-Api-Version": "2026-10",
        "X-Shopify-Webhook-Id": "%032x" % CHANCE.getrandbits(128),
        "X-Shopify-Event-Id": "%032x" % CHANCE.getrandbits(128),
        "X-Shopify-Triggered-At": "2026-11-21T09:30:00Z",
        "Content-Type": "application/json",
    }


def deliver(body):
    headers = delivery_headers(body)
    request = urllib.request.Request(CHANNEL["webhook_url"], data=body, method="POST", headers=headers)
    urllib.request.urlopen(request, timeout=30).read()


def unreadable_messages():
    """Signed deliveries that cannot be understood, until they are in quarantine."""
    for number in range(40):
        deliver(b'{"id": %d, "line_items": "none"}' % number)
    while True:
        held = api("GET", f"/api/v1/channels/{CHANNEL['id']}/quarantine?limit=100")["data"]
        if len(held) >= 40:
            return [row["id"] for row in held]


QUARANTINED = unreadable_messages()
VARIANTS = [row["id"] for row in api("GET", "/api/v1/variants?limit=50")["data"]]
WAREHOUSES = [row["id"] for row in api("GET", "/api/v1/warehouses")["data"]]
PRODUCTS = [row["id"] for row in api("GET", "/api/v1/products?limit=20")["data"]]
ORDERS = [
    api("POST", "/api/v1/orders", {
        "currency": "EUR",
        "lines": [{"variant_id": row["variant_id"], "quantity": 1, "unit_price": {"amount": "1.00", "currency": "EUR"}}],
    })["id"]
    for row in api("GET", "/api/v1/inventory/levels?limit=250")["data"] if row["available"] > 20
][:5]


def jobs(state):
    return [row["id"] for row in api("GET", f"/api/v1/jobs?limit=50&state={state}")["data"]]


def pick(values, otherwise=None):
    return CHANCE.choice(values) if values else otherwise


def is_turn():
    with LOCK:
        return CHANCE.random() < 0.4


def real_path(name, path):
    if path.startswith("/api/v1/jobs/"):
        wanted = "dead" if path.endswith("/retry") else "waiting" if path.endswith("/discard") else "done"
        return pick(jobs(wanted) or jobs("ready"))
    if path.startswith("/api/v1/channels/"):
        return CHANNEL["id"] if name == "id" else pick(QUARANTINED)
    table = {"/api/v1/orders": ORDERS, "/api/v1/products": PRODUCTS, "/api/v1/variants": VARIANTS, "/api/v1/feeds": VARIANTS}
    for prefix, ids in table.items():
        if path.startswith(prefix):
            return pick(ids)
    if path.startswith("/api/v1/tokens/"):
        made = api("POST", "/api/v1/tokens", {"name": "short-lived", "permissions": ["order.read"]})
        return made["id"]
    return {"provider": "shopify", "channel_id": CHANNEL["id"]}.get(name)


def real_body(operation):
    money = {"amount": "9.90", "currency": "EUR"}
    word = "%08x" % CHANCE.getrandbits(32)
    return {
        "order_place": {"currency": "EUR", "lines": [{"variant_id": pick(VARIANTS), "quantity": 1, "unit_price": money}]},
        "inventory_adjust": {
            "variant_id": pick(VARIANTS), "warehouse_id": pick(WAREHOUSES), "delta": 5, "kind": "receipt", "reason": "found",
        },
        "channel_sku_map": {"external_sku": word, "variant_id": pick(VARIANTS)},
        "channel_rotate_secret": {"secret": CHANNEL["secret"]},
        "token_create": {"name": word, "permissions": ["order.read"]},
        "product_create": {"title": word, "variants": [{"sku": word, "price": money}]},
        "google_put": {
            "account_id": "123456789", "data_source": "987654", "content_language": "de", "feed_label": "DE",
            "service_account": SERVICE_ACCOUNT,
        },
        "session_start_by_link": {"code": LINK.pop()} if operation == "session_start_by_link" and LINK else None,
    }.get(operation)


@schemathesis.hook
def before_call(context, case, kwargs):
    operation = case.operation.definition.raw.get("operationId")
    path = case.operation.path
    parameters = case.path_parameters or {}
    if operation == "token_revoke" and str(parameters.get("id", "")).lower() == OWN_TOKEN.lower():
        parameters["id"] = "tok_00000000000000000000000000"
    if operation == "channel_rotate_secret" and isinstance(case.body, dict) and "secret" in case.body:
        # The deliveries of this run are signed with the secret that the demo gave out.
        case.body["secret"] = CHANNEL["secret"]
    # What was generated to be wrong stays wrong: the check that it is refused relies on it.
    parts = case.meta.components.values() if case.meta else []
    is_negative = bool(case.meta) and (case.meta.generation.mode.is_negative or any(part.mode.is_negative for part in parts))
    if is_negative or not is_turn():
        return
    for name in parameters:
        parameters[name] = real_path(name, path) or parameters[name]
    body = real_body(operation)
    if body is not None:
        case.body = body
    if operation == "feed_item_push":
        # Another case may have disconnected it.
        api("PUT", "/api/v1/integrations/google", real_body("google_put"))
    if operation == "hook_receive":
        # However JSON is written, these are its bytes.
        case.body, case.media_type = {}, "application/json"
        for name, value in delivery_headers(b"{}").items():
            case.headers[name] = value


@schemathesis.hook
def after_call(context, case, response):
    operation = case.operation.definition.raw.get("operationId")
    with LOCK:
        counted = SEEN.setdefault(operation, {})
        counted[str(response.status_code)] = counted.get(str(response.status_code), 0) + 1
        if sum(counted.values()) % 20 == 1:
            write_counts()


def write_counts():
    with open(COUNTS + ".new", "w") as out:
        json.dump(SEEN, out)
    os.replace(COUNTS + ".new", COUNTS)


import atexit  # noqa: E402

atexit.register(write_counts)
