// Compares pictures of pages with those that were committed, or renews these, and prints how much they differ as JSON.
// usage: IMAX_WEB_TOOLS=FOLDER node compare.mjs [--renew] PAIRS.json
// PAIRS.json is a list of { name, picture, kept }: a PNG of now, and the committed picture, a WebP of half its size. The browser itself decodes,
// scales and compares them, so that no further package is needed.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.IMAX_WEB_TOOLS}/package.json`);
const { chromium } = require("playwright-core");

const isRenewing = process.argv[2] === "--renew";
const pairs = JSON.parse(readFileSync(process.argv.at(-1), "utf8"));
/** Pixels of a page for each compared one: fonts that are drawn a pixel elsewhere change its mean little. */
const BLOCK = 16;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"], timeout: 240_000 });
const page = await browser.newPage();
page.setDefaultTimeout(240_000);
const found = {};
for (const { name, picture, kept } of pairs) {
  const now = `data:image/png;base64,${readFileSync(picture, "base64")}`;
  if (isRenewing) {
    const text = await page.evaluate(halved, now);
    writeFileSync(kept, Buffer.from(text.split(",")[1], "base64"));
  }
  found[name] = existsSync(kept) ? await page.evaluate(difference, [now, `data:image/webp;base64,${readFileSync(kept, "base64")}`, BLOCK]) : null;
}
await browser.close();
console.log(JSON.stringify(found));

async function halved(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width / 2, image.height / 2);
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  const blob = await canvas.convertToBlob({ type: "image/webp", quality: 0.6 });
  return new Promise((done) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(blob);
  });
}

// The mean difference of all blocks, and the share of blocks that differ by more than a tenth, 0 to 1.
async function difference([now, kept, block]) {
  const sizes = [];
  const [left, right] = await Promise.all(
    [now, kept].map(async (address, at) => {
      const image = new Image();
      image.src = address;
      await image.decode();
      sizes[at] = [image.width, image.height];
      const scale = at === 0 ? block : block / 2;
      const [columns, rows] = [Math.floor(image.width / scale), Math.floor(image.height / scale)];
      const whole = new OffscreenCanvas(image.width, image.height);
      const source = whole.getContext("2d", { willReadFrequently: true });
      source.drawImage(image, 0, 0);
      const bytes = source.getImageData(0, 0, image.width, image.height).data;
      const sums = new Float64Array(columns * rows * 3);
      for (let y = 0; y < rows * scale; y += 1) {
        for (let x = 0; x < columns * scale; x += 1) {
          const [from, to] = [(y * image.width + x) * 4, (Math.floor(y / scale) * columns + Math.floor(x / scale)) * 3];
          for (let part = 0; part < 3; part += 1) sums[to + part] += bytes[from + part];
        }
      }
      return sums.map((sum) => sum / (scale * scale * 255));
    }),
  );
  const isEqualSize = sizes[0][0] === sizes[1][0] * 2 && sizes[0][1] === sizes[1][1] * 2;
  if (!isEqualSize || left.length !== right.length) return { mean: 1, share: 1 };
  let [total, different] = [0, 0];
  for (let at = 0; at < left.length; at += 3) {
    const parts = [0, 1, 2].map((part) => Math.abs(left[at + part] - right[at + part]));
    total += (parts[0] + parts[1] + parts[2]) / 3;
    if (Math.max(...parts) > 0.1) different += 1;
  }
  return { mean: total / (left.length / 3), share: different / (left.length / 3) };
}
