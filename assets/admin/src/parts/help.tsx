// The keys, and the switch that turns the single ones off.
import { t } from "../i18n";
import { allowed, routes } from "../routes";
import { open, setShortcuts, shortcuts } from "../state";
import { Dialog } from "./dialog";

export function Help() {
  const rows: [keys: string, text: string][] = [
    ["Ctrl K", t("palette.title")],
    ["/", t("help.search")],
    ["j", t("help.next")],
    ["k", t("help.previous")],
    ["Enter", t("help.open")],
    ["Ctrl Enter", t("help.submit")],
    ["?", t("help.title")],
    ...routes.filter((it) => it.nav && allowed(it)).map((it): [string, string] => [`g ${it.nav!.key}`, t(it.title)]),
  ];
  return (
    <Dialog title={t("help.title")} close={() => (open.value = "none")}>
      <dl class="keys">
        {rows.map(([keys, text]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((it) => (
                <kbd key={it}>{it}</kbd>
              ))}
            </dt>
            <dd>{text}</dd>
          </div>
        ))}
      </dl>
      <div class="check">
        <input
          id="shortcuts"
          type="checkbox"
          checked={shortcuts.value === "on"}
          onChange={(event) => setShortcuts(event.currentTarget.checked ? "on" : "off")}
        />
        <label for="shortcuts">{t("help.switch")}</label>
      </div>
    </Dialog>
  );
}
