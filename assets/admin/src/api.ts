// The only file that speaks HTTP: JSON in and out, problem documents as errors, CSRF and idempotency keys added here.
import { query, session } from "./state";

interface ProblemDocument {
  title?: string;
  detail?: string;
  code?: string;
  request_id?: string;
  errors?: { pointer?: string; parameter?: string; header?: string; code: string; detail: string }[];
}

/** A refusal. `message` is the API's own sentence; the rest serves the form and the support call. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly requestId: string | undefined,
    /** By JSON pointer without the leading slash, e.g. `delta` or `lines/0/quantity`. */
    readonly fields: Record<string, string>,
  ) {
    super(message);
  }
}

/** Called when the server says that nobody is signed in; set by the shell. */
export const hooks = { signedOut: () => {}, unreachable: () => "The server does not answer." };

/** A fresh key for one intended effect: the same key makes a repeat harmless. Works without a secure context too. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function problem(status: number, body: ProblemDocument, headers: Headers): ApiError {
  const fields: Record<string, string> = {};
  for (const it of body.errors ?? []) {
    const place = it.pointer?.replace(/^\//, "") ?? it.parameter ?? it.header ?? "";
    fields[place] ??= it.detail;
  }
  const text = body.detail ?? body.title ?? `HTTP ${status}`;
  return new ApiError(text, status, body.code ?? "unknown", body.request_id ?? headers.get("x-request-id") ?? undefined, fields);
}

interface Options {
  key?: string;
  signal?: AbortSignal | undefined;
  /** A 401 is an answer here (sign-in), not the end of the session. */
  anonymous?: boolean;
}

/** One request below `/api/v1`. Rejects with `ApiError`, or with the abort's own error. */
export async function call<T>(method: string, path: string, body?: unknown, options: Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (method !== "GET") {
    if (session.value) headers["X-CSRF-Token"] = session.value.csrf_token;
    if (method === "POST" || method === "PATCH") headers["Idempotency-Key"] = options.key ?? newKey();
  }
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: options.signal ?? null,
      credentials: "same-origin",
    });
  } catch (fault) {
    if (options.signal?.aborted) throw fault;
    throw new ApiError(hooks.unreachable(), 0, "unreachable", undefined, {});
  }
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  let parsed: unknown = {};
  try {
    parsed = text ? JSON.parse(text) : {};
  } catch {
    if (response.ok) throw new ApiError(hooks.unreachable(), response.status, "not_json", undefined, {});
  }
  if (response.ok) return parsed as T;
  if (response.status === 401 && !options.anonymous) hooks.signedOut();
  throw problem(response.status, parsed as ProblemDocument, response.headers);
}

export const get = <T>(path: string, signal?: AbortSignal) => call<T>("GET", path, undefined, { signal });
export const post = <T>(path: string, body: unknown = {}, key?: string) => call<T>("POST", path, body, key ? { key } : {});

/** A query string of what is set. */
export function params(of: Record<string, string | number | null | undefined>): string {
  const out = new URLSearchParams();
  for (const [key, value] of Object.entries(of)) if (value !== null && value !== undefined && value !== "") out.set(key, String(value));
  const text = out.toString();
  return text ? `?${text}` : "";
}

/** The filters of this page that the address holds and the API knows. */
export const filters = (...names: string[]) => Object.fromEntries(names.map((name) => [name, query.value.get(name)]));
