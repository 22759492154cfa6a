// Walks through the dashboards of a server in Chromium and prints what it saw as JSON, which tests/serving/dashboards.rs judges.
// usage: IMAX_WEB_TOOLS=FOLDER node walk.mjs BASE PLAN.json
// BASE is what stands before the addresses: a server's origin, file:///…/report.html, or site:FOLDER for a published site, which is then served
// below a path, as GitHub Pages does.
// FOLDER has the packages of web/package.json. The plan is a list of visits: { name, address, viewport?, scheme?, script?, steps?, read?, axe?, picture?,
// refused?, now?, isPart? }; `isPart` takes a picture of the viewport alone, `now` is the time of the page's clock, for what depends on the day.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join, normalize } from "node:path";

const require = createRequire(`${process.env.IMAX_WEB_TOOLS}/package.json`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [place, planFile] = process.argv.slice(2);
const plan = JSON.parse(readFileSync(planFile, "utf8"));
const PATIENCE = Number(process.env.PATIENCE ?? 240_000);

const files = place.startsWith("site:") ? await serveFiles(place.slice("site:".length)) : null;
const base = files?.address ?? place;
const origin = new URL(base).origin;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-quic", ...(process.env.CHROMIUM_ARGUMENTS ?? "").split(" ").filter((argument) => argument !== "")], timeout: PATIENCE });
const seen = {};
for (const visit of plan) {
  try {
    seen[visit.name] = await look(visit);
  } catch (error) {
    throw new Error(`at the visit ${visit.name}`, { cause: error });
  }
}
await browser.close();
files?.server.close();
console.log(JSON.stringify(seen));

async function look({ address, viewport = { width: 1280, height: 900 }, scheme = "light", script = true, steps = [], read, axe: isChecked = false, picture, refused: isRefused = false, now, isPart = false }) {
  // axe is added by the test, against the policy of the page; other visits keep the policy.
  const context = await browser.newContext({ viewport, colorScheme: scheme, javaScriptEnabled: script, bypassCSP: isChecked });
  const page = await context.newPage();
  if (now) await page.clock.setFixedTime(new Date(now));
  page.setDefaultTimeout(PATIENCE);
  page.setDefaultNavigationTimeout(PATIENCE);
  const complaints = [];
  const foreign = [];
  // Chromium reports every answer that refuses a request; a visit that expects them is not told.
  const isExpected = (text) => isRefused && /status of 40[014]/.test(text);
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && !isExpected(message.text()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => (complaints.push(`dialog ${dialog.message()}`), dialog.dismiss()));
  page.on("request", (request) => {
    const url = new URL(request.url());
    const isOwn = url.protocol === "file:" ? url.href.split("#")[0] === base : url.origin === origin;
    if (!["data:", "blob:"].includes(url.protocol) && !isOwn) foreign.push(request.url());
  });
  await page.goto(base + address);
  if (script) await quiet(page);
  for (const [action, selector, value] of steps) {
    if (action === "click") await page.locator(selector).first().click();
    else if (action === "press") await page.locator(selector).first().press(value);
    else if (action === "choose") await page.locator(selector).first().selectOption(value);
    else if (action === "fill") await page.locator(selector).first().fill(value);
    else if (action === "back") await page.goBack();
    else throw new Error(`unknown step ${action}`);
    if (script) await quiet(page);
  }
  const result = { complaints, foreign, address: page.url().slice(base.length), heading: await page.locator("h1").first().textContent() };
  if (script) {
    result.read = read ? await page.evaluate(read) : null;
    result.width = await page.evaluate(() => document.documentElement.scrollWidth);
  } else {
    result.read = (await page.locator("table").allTextContents()).join("\n");
  }
  if (isChecked) {
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document));
    result.violations = found.violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | ")}`);
  }
  if (picture) await page.screenshot({ path: picture, fullPage: !isPart, animations: "disabled", caret: "hide" });
  await context.close();
  return result;
}

// Everything is loaded and drawn: no part of the page says that it is busy, and the network rests.
async function quiet(page) {
  await page.waitForSelector("h1, .empty");
  await page.waitForLoadState("networkidle");
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'));
}

// The files of a folder below a path, on a free port.
async function serveFiles(folder) {
  const types = { html: "text/html", js: "text/javascript", css: "text/css", json: "application/json" };
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname));
    const name = path === "/team/pages/" ? "index.html" : path.replace("/team/pages/", "");
    try {
      const bytes = readFileSync(join(folder, name));
      response.setHeader("content-type", types[name.split(".").pop()] ?? "application/octet-stream");
      response.end(bytes);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return { server, address: `http://127.0.0.1:${server.address().port}/team/pages/` };
}
