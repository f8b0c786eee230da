// Shapes of the API's answers, as the pages read them.

export type Id = string;
export interface Money {
  amount: string;
  currency: string;
}
export interface Page<T> {
  data: T[];
  has_more: boolean;
  next_cursor: string | null;
}
export interface Session {
  user: { id: Id; email: string; name: string };
  tenant: { id: Id; handle: string; name: string };
  permissions: string[];
  csrf_token: string;
  demo: boolean;
}
export interface Actor {
  kind: string;
  name: string;
}
export type StockStatus = "reserved" | "short" | "unmapped" | "none";
export interface OrderSummary {
  id: Id;
  number: string;
  external_number: string | null;
  channel_id: Id | null;
  customer: { id: Id; name: string; email: string } | null;
  placed_at: string;
  created_at: string;
  status: string;
  stock_status: StockStatus;
  payment_status: string;
  flagged: boolean;
  total: Money;
  line_count: number;
  quantity: number;
  short_quantity: number;
}
export interface OrderLine {
  id: Id;
  position: number;
  sku: string | null;
  title: string;
  variant_id: Id | null;
  product_id: Id | null;
  quantity: number;
  reserved: number;
  short: number;
  unit_price: Money;
  discount: Money;
  tax: Money;
  total: Money;
  allocations: { warehouse_id: Id; warehouse_code: string; quantity: number }[];
}
export interface Address {
  name: string;
  address1: string;
  address2: string | null;
  zip: string;
  city: string;
  country_code: string;
  phone: string | null;
}
export interface Order extends OrderSummary {
  external_id: string | null;
  currency: string;
  tax_inclusive: boolean;
  note: string | null;
  totals: { subtotal: Money; discount: Money; shipping: Money; tax: Money; total: Money };
  difference: Money | null;
  fulfilment_hold: boolean;
  lines: OrderLine[];
  payments: { id: Id; provider: string; status: string; amount: Money; created_at: string }[];
  shipping_address: Address | null;
  version: number;
}
export interface TimelineEntry {
  seq: number;
  at: string;
  type: string;
  actor: Actor;
  summary: string;
  data?: unknown;
}
export interface ProductSummary {
  id: Id;
  title: string;
  handle: string;
  status: string;
  vendor: string | null;
  variant_count: number;
  on_hand: number;
  available: number;
  category: string | null;
  updated_at: string;
}
export interface Variant {
  id: Id;
  product_id: Id;
  product_title: string;
  sku: string;
  barcode: string | null;
  title: string;
  price: Money;
}
export interface Product extends ProductSummary {
  description: string | null;
  variants: Variant[];
}
export interface Warehouse {
  id: Id;
  code: string;
  name: string;
  store_code: string | null;
  priority: number;
}
export interface Level {
  variant_id: Id;
  product_id: Id;
  sku: string;
  title: string;
  warehouse_id: Id;
  warehouse_code: string;
  on_hand: number;
  reserved: number;
  available: number;
  short: number;
  updated_at: string;
}
/** A level that differs from what made it. */
export interface StockDifference {
  variant_id: Id;
  sku: string;
  warehouse_code: string;
  on_hand: number;
  moved: number;
  reserved: number;
  promised: number;
  explanation: string;
}

/** What a comparison of stock found. */
export interface Reconciliation {
  seq: number;
  at: string;
  took_ms: number;
  levels: number;
  drifted: number;
  differences: StockDifference[];
  actor: Actor;
}

export interface Movement {
  id: Id;
  seq: number;
  at: string;
  kind: string;
  quantity: number;
  on_hand_after: number;
  reason: string | null;
  note: string | null;
  actor: Actor;
  variant_id: Id;
  sku: string;
  warehouse_id: Id;
  warehouse_code: string;
}
export interface Reservation {
  id: Id;
  variant_id: Id;
  sku: string;
  warehouse_id: Id | null;
  warehouse_code: string | null;
  order_id: Id;
  order_number: string;
  quantity: number;
  state: string;
  created_at: string;
}
export interface JobRow {
  id: Id;
  kind: string;
  state: string;
  subject: string;
  attempts: number;
  attempts_max: number;
  lease_losses: number;
  due_at: string | null;
  created_at: string;
  updated_at: string;
  finished_at: string | null;
  last_error: string | null;
  waiting_since: string | null;
  queue_paused_until: string | null;
}
export interface Job extends JobRow {
  payload: unknown;
  version: number;
  history: { attempt: number; started_at: string; finished_at: string | null; outcome: string; error: string | null }[];
}
export interface Channel {
  id: Id;
  provider: string;
  name: string;
  state: string;
  webhook_url: string;
  received: number;
  last_received_at: string | null;
  quarantined: number;
  unmapped: number;
  signature_failures: number;
  last_signature_failure_at: string | null;
}
export interface Message {
  id: Id;
  topic: string;
  external_id: string | null;
  received_at: string;
  state: string;
  attempts: number;
  error: string | null;
  order_id: Id | null;
  size: number;
}
export interface MessageDetail extends Message {
  headers: Record<string, string>;
  body: string;
}
export interface Mapping {
  id: Id;
  external_sku: string;
  title: string;
  lines: number;
  variant_id: Id | null;
  sku: string | null;
  first_seen_at: string;
}
export interface FeedItem {
  variant_id: Id;
  sku: string;
  title: string;
  product_state: string;
  product_pushed_at: string | null;
  stock: { warehouse_code: string; pushed_quantity: number | null; available: number; pushed_at: string | null; stale: boolean }[];
  issue: string | null;
}
export interface Google {
  connected: boolean;
  account_id: string | null;
  data_source: string | null;
  content_language: string | null;
  feed_label: string | null;
  paused_until: string | null;
  last_error: string | null;
  pushed_24h: number;
  oldest_waiting_at: string | null;
}
export interface AuditRow {
  seq: number;
  at: string;
  type: string;
  entity: string;
  entity_id: string;
  actor: Actor | string;
  request_id: string | null;
  hash: string;
  data?: unknown;
}
export interface GoogleFaults {
  not_registered: boolean;
  visible_after_ms: number;
  minute_limit: number | null;
  daily_limit: number | null;
  error_503: boolean;
  abort_version: boolean;
  offline: boolean;
}
export interface Sandboxes {
  google: { url: string; faults: GoogleFaults; records: { products: unknown[]; local_inventories: unknown[] } };
  shopify: Record<string, unknown>;
}
export interface LiveEvent {
  seq: number;
  type: string;
  entity: string;
  entity_id: string;
  at: string;
}
