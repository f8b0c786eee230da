// Bundles the admin pages into one folder: hashed names, an index.html that names them, nothing else. `--out DIR`.
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const args = process.argv.slice(2);
const outAt = args.indexOf("--out");
const outFlag = outAt < 0 ? undefined : args[outAt + 1];
if (!outFlag) {
  console.error("usage: node build.mjs --out DIR");
  process.exit(2);
}
const out = join(resolve(outFlag), "admin");
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });

const result = await build({
  absWorkingDir: here,
  entryPoints: { app: "admin/src/main.tsx", style: "admin/src/style.css" },
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  target: "es2023",
  // Minified in debug builds too: the budgets are then asserted over what users get. Source maps stay out of the binary.
  minify: true,
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  metafile: true,
  logLevel: "warning",
});

const outputs = result.metafile.outputs;
const nameOf = (end) => Object.keys(outputs).find((path) => outputs[path].entryPoint?.endsWith(end));
const script = nameOf("main.tsx");
const style = nameOf("style.css");

// What the entry imports statically is needed at boot as well: named here, so that the browser does not find out one by one.
const boot = new Set();
const walk = (path) => {
  for (const used of outputs[path].imports) {
    if (used.kind === "import-statement" && !boot.has(used.path)) {
      boot.add(used.path);
      walk(used.path);
    }
  }
};
walk(script);

const icon = await readFile(join(here, "admin/icon.svg"));
const iconName = `icon-${createHash("sha256").update(icon).digest("hex").slice(0, 8).toUpperCase()}.svg`;
await writeFile(join(out, iconName), icon);

const preload = [...boot]
  .sort()
  .map((path) => `<link rel="modulepreload" href="/admin/${basename(path)}">`)
  .join("\n");
const html = (await readFile(join(here, "admin/index.html"), "utf8"))
  .replaceAll("{{script}}", `/admin/${basename(script)}`)
  .replaceAll("{{style}}", `/admin/${basename(style)}`)
  .replaceAll("{{icon}}", `/admin/${iconName}`)
  .replaceAll("{{preload}}", preload);
await writeFile(join(out, "index.html"), html);
