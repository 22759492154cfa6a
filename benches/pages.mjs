#!/usr/bin/env node
// Times of the dashboards in a browser: the first view of a model with 5,000 points, and interactions with it, over a history of 500,000 points.
//
//     IMAX_WEB_TOOLS=FOLDER benches/pages.mjs target/release/imax [--history FILE.db] [--times 5] [--most]
//
// FOLDER has the packages of web/package.json (`npm ci`). Without --history a history is filled as benches/history.py does it, with one model of 5,000
// newest points: python3 must be installed. The server and the browser run beside each other on the same cores; the load of the machine is printed too.
// --most ends with 1 where a first view takes over 1.5 s or an interaction over 100 ms.
//
// A first view ends when the chart of all points is painted, in a browser without a cache; an interaction, when its next frame is painted.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const FIRST_VIEW_MS = 1500;
const INTERACTION_MS = 100;
const PATIENCE = 600_000;
const INTERACTIONS = [
  ["the pointer over a mark", "svg[role=application]", "point"],
  ["a logarithmic axis", ".switch:nth-of-type(6) input", "click"],
  ["a line hidden by its legend", "button.line", "click"],
  ["a filter chosen", ".facets input[type=checkbox]", "click"],
  ["another metric on an axis, with its numbers loaded", ".controls select", "choose", FIRST_VIEW_MS],
];

const FILL = `
import json, os, subprocess
import history
# 500,000 points / 12 nights / 10 concurrencies are 4,166 curves; an eighth of them is one model with 5,200 newest points.
history.MODELS, history.HARDWARE = 8, 10
imax, folder = os.environ["IMAX"], os.environ["FOLDER"]
first = os.path.join(folder, "first.json")
json.dump(history.night(1) | {"date": "2026-10-01T00:00:00Z"}, open(first, "w"))
path = os.path.join(folder, "history.db")
subprocess.run([imax, "import", first, "--to", path], check=True, stdout=subprocess.DEVNULL)
history.fill(path, False, 500_000)
`;

const { imax, history, times, isBound } = options(process.argv.slice(2));
const require = createRequire(`${process.env.IMAX_WEB_TOOLS}/package.json`);
const { chromium } = require("playwright-core");
const folder = mkdtempSync(join(tmpdir(), "imax-pages-"));
let server;
let browser;
try {
  const file = history ?? fill();
  server = spawn(imax, ["serve", "--history", file, "--listen", "127.0.0.1:0", "--rate-limit", "0"], { stdio: ["ignore", "ignore", "pipe"] });
  const address = await listening(server);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"], timeout: PATIENCE });
  const rows = await measured(address);
  console.log(`load of the machine ${loadavg().map((load) => load.toFixed(2)).join(" ")}, best of ${times}`);
  for (const [name, found, most] of rows) console.log(`${name.padEnd(52)} ${Math.min(...found).toFixed(0).padStart(6)} ms, median ${median(found).toFixed(0)} ms, asked ${most} ms`);
  if (isBound && rows.some(([, found, most]) => Math.min(...found) > most)) process.exitCode = 1;
} finally {
  await browser?.close();
  server?.kill("SIGTERM");
  rmSync(folder, { recursive: true, force: true });
}

function options(words) {
  const value = (name) => (words.includes(name) ? words[words.indexOf(name) + 1] : undefined);
  const [imax] = words;
  if (!imax || imax.startsWith("--") || !process.env.IMAX_WEB_TOOLS) {
    console.error("usage: IMAX_WEB_TOOLS=FOLDER benches/pages.mjs IMAX [--history FILE.db] [--times 5] [--most]");
    process.exit(2);
  }
  return { imax, history: value("--history"), times: Number(value("--times") ?? 5), isBound: words.includes("--most") };
}

function fill() {
  execFileSync("python3", ["-c", FILL], { cwd: dirname(fileURLToPath(import.meta.url)), env: { ...process.env, IMAX: imax, FOLDER: folder }, stdio: ["ignore", "inherit", "inherit"] });
  return join(folder, "history.db");
}

/** Where the server listens. */
function listening(server) {
  return new Promise((done, fail) => {
    let said = "";
    server.on("exit", () => fail(new Error(`imax serve ended: ${said}`)));
    server.stderr.on("data", (bytes) => {
      said += bytes;
      const found = /listening on (http:\/\/[\d.:]+)/.exec(said);
      if (found) done(found[1]);
    });
  });
}

async function measured(address) {
  const names = await (await fetch(`${address}/api/v1/facets`)).json();
  const { value: model } = names.data.filter(({ dimension }) => dimension === "model").sort((one, other) => other.points - one.points)[0];
  const rows = new Map();
  const note = (name, most, time) => rows.set(name, [name, [...(rows.get(name)?.[1] ?? []), time], most]);
  for (let time = 0; time < times; time += 1) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    await page.addInitScript(watch);
    await page.goto(`${address}/performance?model=${encodeURIComponent(model)}`);
    const first = await page.evaluate(() => globalThis.firstView);
    const points = await page.evaluate(() => Number(/([\d,]+) points?/.exec(document.querySelector("main").textContent)[1].replaceAll(",", "")));
    note(`first view of ${points} points`, FIRST_VIEW_MS, first);
    for (const [name, selector, action, most = INTERACTION_MS] of INTERACTIONS) note(name, most, await page.evaluate(interact, [selector, action]));
    await context.close();
  }
  return [...rows.values()];
}

/** Milliseconds from the start of the navigation until the chart is painted. */
function watch() {
  globalThis.firstView = new Promise((done) => {
    const look = () => (document.querySelector(".frame svg path[fill]") ? requestAnimationFrame(() => setTimeout(() => done(performance.now()))) : requestAnimationFrame(look));
    requestAnimationFrame(look);
  });
}

/** Milliseconds from an event until two frames after it are painted, and all is loaded that it asks for: effects run after the first frame. */
function interact([selector, action]) {
  const element = document.querySelector(selector);
  const start = performance.now();
  if (action === "click") element.click();
  else if (action === "choose") {
    element.value = "median_ttft";
    element.dispatchEvent(new Event("change", { bubbles: true }));
  } else {
    const box = element.getBoundingClientRect();
    element.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }));
  }
  return new Promise((done) => {
    const look = () => (document.querySelector('[aria-busy="true"]') ? requestAnimationFrame(look) : setTimeout(() => done(performance.now() - start)));
    requestAnimationFrame(() => requestAnimationFrame(look));
  });
}

function median(values) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}
