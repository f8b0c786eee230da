// Reading records and lists: loading, error, paging, and live changes that never move a row under the pointer.
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get } from "./api";
import { useLive } from "./live";
import type { Page } from "./types";

export interface One<T> {
  data: T | null;
  error: ApiError | null;
  reload: () => Promise<void>;
  set: (data: T) => void;
}

/** One record. `path` null: nothing is asked for. Live topics reload it in place. */
export function useOne<T>(path: string | null, topics: readonly string[] = [], id?: string): One<T> {
  const [state, setState] = useState<{ path: string | null; data: T | null; error: ApiError | null }>({ path, data: null, error: null });
  const latest = useRef(path);
  latest.current = path;
  const load = async (signal?: AbortSignal) => {
    if (path === null) return;
    try {
      const data = await get<T>(path, signal);
      if (latest.current === path) setState({ path, data, error: null });
    } catch (fault) {
      if (signal?.aborted || latest.current !== path) return;
      // A reload that fails leaves what is on the screen; the live line says that the server is away.
      setState((was) =>
        was.path === path && was.data && (fault as ApiError).status === 0 ? was : { path, data: null, error: fault as ApiError },
      );
    }
  };
  useEffect(() => {
    const abort = new AbortController();
    void load(abort.signal);
    return () => abort.abort();
  }, [path]);
  useLive(topics, () => void load(), id);
  const here = state.path === path;
  return {
    data: here ? state.data : null,
    error: here ? state.error : null,
    reload: () => load(),
    set: (data) => setState({ path, data, error: null }),
  };
}

export interface ListState<T> {
  rows: T[] | null;
  error: ApiError | null;
  hasMore: boolean;
  loadingMore: boolean;
  more: () => Promise<void>;
  reload: () => Promise<void>;
  /** Rows that arrived while the reader was busy here: shown on request. */
  waiting: number;
  showWaiting: () => void;
  /** Keys of rows that just came or changed, for a short glow. */
  fresh: ReadonlySet<string>;
}

interface Held<T> {
  path: string | null;
  rows: T[] | null;
  error: ApiError | null;
  cursor: string | null;
  waiting: Page<T> | null;
  waitingCount: number;
  fresh: ReadonlySet<string>;
}
const NOTHING: ReadonlySet<string> = new Set();
const LIMIT = 50;

const withParam = (path: string, name: string, value: string) =>
  `${path}${path.includes("?") ? "&" : "?"}${name}=${encodeURIComponent(value)}`;

/** Is somebody reading or pointing at the list right now? Then its rows stay where they are. */
function busy(): boolean {
  const list = document.querySelector("[data-rows]");
  return !!list && (scrollY > 40 || list.matches(":hover") || list.contains(document.activeElement));
}

function changed<T>(was: T[] | null, is: T[], key: (row: T) => string): ReadonlySet<string> {
  if (!was) return NOTHING;
  const before = new Map(was.map((row) => [key(row), JSON.stringify(row)]));
  return new Set(is.filter((row) => before.get(key(row)) !== JSON.stringify(row)).map(key));
}

export function useList<T>(path: string | null, key: (row: T) => string, topics: readonly string[] = []): ListState<T> {
  const empty: Held<T> = { path, rows: null, error: null, cursor: null, waiting: null, waitingCount: 0, fresh: NOTHING };
  const [state, setState] = useState(empty);
  const [loadingMore, setLoadingMore] = useState(false);
  const latest = useRef(path);
  latest.current = path;
  const here = state.path === path ? state : empty;

  const first = async (quiet: boolean, signal?: AbortSignal) => {
    if (path === null) return;
    const limit = Math.min(250, Math.max(LIMIT, Math.ceil((here.rows?.length ?? 0) / LIMIT) * LIMIT));
    try {
      const page = await get<Page<T>>(withParam(path, "limit", String(limit)), signal);
      if (latest.current !== path) return;
      setState((was) => {
        const old = was.path === path ? was.rows : null;
        const fresh = changed(old, page.data, key);
        const known = new Set(old?.map(key));
        const added = page.data.filter((row) => !known.has(key(row))).length;
        if (!quiet || !old || !busy()) {
          return {
            path,
            rows: page.data,
            error: null,
            cursor: page.has_more ? page.next_cursor : null,
            waiting: null,
            waitingCount: 0,
            fresh,
          };
        }
        // Hold still: known rows change in place, new ones wait behind the notice.
        const now = new Map(page.data.map((row) => [key(row), row]));
        const rows = old.map((row) => now.get(key(row)) ?? row);
        return { ...was, rows, error: null, waiting: page, waitingCount: added, fresh };
      });
    } catch (fault) {
      if (signal?.aborted || latest.current !== path) return;
      setState((was) => (quiet && was.path === path && was.rows ? was : { ...empty, error: fault as ApiError }));
    }
  };
  useEffect(() => {
    const abort = new AbortController();
    void first(false, abort.signal);
    return () => abort.abort();
  }, [path]);
  useLive(topics, () => void first(true));
  useEffect(() => {
    if (!state.fresh.size) return;
    const timer = setTimeout(() => setState((was) => ({ ...was, fresh: NOTHING })), 2000);
    return () => clearTimeout(timer);
  }, [state.fresh]);

  const more = async () => {
    if (path === null || !here.cursor || loadingMore) return;
    setLoadingMore(true);
    try {
      const page = await get<Page<T>>(withParam(withParam(path, "limit", String(LIMIT)), "cursor", here.cursor));
      setState((was) => {
        if (was.path !== path) return was;
        const known = new Set(was.rows?.map(key));
        const rows = [...(was.rows ?? []), ...page.data.filter((row) => !known.has(key(row)))];
        return { ...was, rows, cursor: page.has_more ? page.next_cursor : null };
      });
    } catch (fault) {
      setState((was) => ({ ...was, error: fault as ApiError }));
    } finally {
      setLoadingMore(false);
    }
  };
  const showWaiting = () =>
    setState((was) => {
      if (!was.waiting) return was;
      const { data, has_more, next_cursor } = was.waiting;
      return {
        ...was,
        rows: data,
        cursor: has_more ? next_cursor : null,
        waiting: null,
        waitingCount: 0,
        fresh: changed(was.rows, data, key),
      };
    });
  return {
    rows: here.rows,
    error: here.error,
    hasMore: !!here.cursor,
    loadingMore,
    more,
    reload: () => first(false),
    waiting: here.waitingCount,
    showWaiting,
    fresh: here.fresh,
  };
}
