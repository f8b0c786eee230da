// The table: real headers and cells, one link per row, columns that give way on a narrow screen.
import type { ComponentChildren } from "preact";
import { go } from "../state";

export interface Column<T> {
  id: string;
  head: string;
  cell: (row: T) => ComponentChildren;
  /** Numbers stand right. */
  num?: boolean;
  /** Gives way below this width: `narrow` below 720 px, `medium` below 1080 px. */
  hide?: "narrow" | "medium";
  /** Its text may be cut with an ellipsis; `wide` where it is the column one reads. */
  cut?: boolean | "wide";
  /** Stays on one line. */
  line?: boolean;
  /** Is it in the CSV, and as what? */
  text?: (row: T) => string | number | null | undefined;
}

export interface TableProps<T> {
  caption: string;
  columns: Column<T>[];
  rows: T[];
  rowKey: (row: T) => string;
  href?: (row: T) => string | null;
  /** A second line of the first cell, shown only where columns gave way. */
  narrow?: (row: T) => ComponentChildren;
  fresh?: ReadonlySet<string>;
}

export function Table<T>({ caption, columns, rows, rowKey, href, narrow, fresh }: TableProps<T>) {
  const onClick = (event: MouseEvent, to: string | null | undefined) => {
    const target = event.target as HTMLElement;
    if (!to || event.button || target.closest("a, button, input, select, label") || getSelection()?.toString()) return;
    if (event.metaKey || event.ctrlKey) window.open(to);
    else go(to);
  };
  const shape = (it: Column<T>) =>
    [it.num && "r", it.hide && `hide-${it.hide}`, it.cut && "cut", it.cut === "wide" && "wide", it.line && "kind"]
      .filter(Boolean)
      .join(" ");
  return (
    <div class="table-frame">
      <table>
        <caption class="sr-only">{caption}</caption>
        <thead>
          <tr>
            {columns.map((it) => (
              <th key={it.id} scope="col" class={shape(it)}>
                {it.head || <span class="sr-only">{it.id}</span>}
              </th>
            ))}
          </tr>
        </thead>
        <tbody data-rows>
          {rows.map((row) => {
            const to = href?.(row);
            const key = rowKey(row);
            return (
              <tr key={key} class={`${to ? "go" : ""} ${fresh?.has(key) ? "fresh" : ""}`} onClick={(event) => onClick(event, to)}>
                {columns.map((it, at) => (
                  <td key={it.id} class={shape(it)}>
                    {at === 0 && to ? (
                      <a class="row-link" href={to}>
                        {it.cell(row)}
                      </a>
                    ) : (
                      it.cell(row)
                    )}
                    {at === 0 && narrow && <div class="narrow-line">{narrow(row)}</div>}
                  </td>
                ))}
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** A cell of CSV. A text that a spreadsheet would run as a formula gets a quote in front. */
function csvCell(value: string | number | null | undefined): string {
  if (typeof value === "number") return String(value);
  const text = value ?? "";
  const safe = /^[=+\-@\t\r]/.test(text) && !/^[+-]?\d+([.,]\d+)?$/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Hands the shown rows to the browser as a file. */
export function downloadCsv<T>(name: string, columns: Column<T>[], rows: T[]) {
  const used = columns.filter((it) => it.text);
  const lines = [used.map((it) => csvCell(it.head || it.id)), ...rows.map((row) => used.map((it) => csvCell(it.text?.(row))))];
  const blob = new Blob(["\ufeff", lines.map((it) => it.join(",")).join("\r\n"), "\r\n"], { type: "text/csv;charset=utf-8" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
