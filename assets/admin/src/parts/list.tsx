// A list from end to end: skeleton, error, empty, rows, the notice of new rows, more.
import type { ComponentChildren } from "preact";
import type { ListState } from "../data";
import { t, tn } from "../i18n";
import { Icon } from "./icons";
import { ErrorBox, Skeleton } from "./page";
import { downloadCsv, Table, type TableProps } from "./table";

interface ListProps<T> extends Omit<TableProps<T>, "rows" | "fresh"> {
  list: ListState<T>;
  empty: ComponentChildren;
  /** File name without ending: offers the shown rows as CSV. */
  csv?: string;
}

export function List<T>({ list, empty, csv, ...table }: ListProps<T>) {
  const { rows } = list;
  if (!rows) return list.error ? <ErrorBox error={list.error} retry={() => void list.reload()} /> : <Skeleton rows={9} />;
  return (
    <>
      {list.waiting > 0 && (
        <div class="fresh-bar">
          <button type="button" class="button small primary" onClick={list.showWaiting}>
            {tn("list.fresh", list.waiting)}
          </button>
        </div>
      )}
      {rows.length === 0 ? empty : <Table {...table} rows={rows} fresh={list.fresh} />}
      {list.error && <ErrorBox error={list.error} />}
      {rows.length > 0 && (
        <footer class="list-foot">
          <span class="faint">{tn(list.hasMore ? "list.shown" : "list.all", rows.length)}</span>
          {list.hasMore && (
            <button type="button" class="button small" disabled={list.loadingMore} onClick={() => void list.more()}>
              {t("list.more")}
            </button>
          )}
          {csv && (
            <button type="button" class="link-button" onClick={() => downloadCsv(csv, table.columns, rows)}>
              <Icon name="download" size={15} />
              {t("list.csv")}
            </button>
          )}
        </footer>
      )}
    </>
  );
}
