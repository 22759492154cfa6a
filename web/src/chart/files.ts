/** Charts as files. They carry their notes (source, formulas), so that a picture can be checked later. */
import { csvOf } from "../csv";
import type { ChartModel } from "./model";

/** Characters of file names that every system takes. */
function fileName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._ -]+/g, "-").slice(0, 120);
}

export function save(name: string, type: string, content: string | Blob): void {
  const blob = typeof content === "string" ? new Blob([content], { type }) : content;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = fileName(name);
  link.click();
  // Browsers read the blob after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function chartCsv(model: ChartModel): string {
  const header = ["line", "point", model.x.title, model.y.title, "x_low", "x_high", "y_low", "y_high", "note"];
  const at = (value: number) => model.x.categories?.[value] ?? (model.x.kind === "time" ? new Date(value).toISOString() : value);
  const rows = model.series.flatMap((series) => series.marks.map((mark) => [series.name, mark.title, at(mark.x), mark.y, mark.xLow, mark.xHigh, mark.yLow, mark.yHigh, [series.isUnofficial ? "not official" : "", mark.warning ?? ""].filter((text) => text !== "").join("; ")]));
  return csvOf(header, rows, notesOf(model));
}

function notesOf(model: ChartModel): string[] {
  return [model.name, location.href, ...(model.stamp ? [model.stamp] : []), ...(model.notes ?? [])];
}

/** A copy that needs no style sheet: colours of the page's theme are written into it. */
function standalone(svg: SVGSVGElement, model: ChartModel): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const theme = getComputedStyle(document.documentElement);
  for (const element of copy.querySelectorAll("*")) {
    for (const name of ["fill", "stroke"]) {
      const variable = /^var\((--[a-z0-9]+)\)$/.exec(element.getAttribute(name) ?? "")?.[1];
      if (variable) element.setAttribute(name, theme.getPropertyValue(variable).trim());
    }
  }
  const width = Number(svg.getAttribute("width"));
  const height = Number(svg.getAttribute("height"));
  const notes = notesOf(model);
  const whole = height + notes.length * 14 + 8;
  for (const name of ["class", "tabindex", "role", "aria-label", "aria-roledescription"]) copy.removeAttribute(name);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("height", String(whole));
  copy.setAttribute("viewBox", `0 0 ${width} ${whole}`);
  copy.setAttribute("font-family", "system-ui, sans-serif");
  const paper = svgElement("rect", { width: "100%", height: "100%", fill: theme.getPropertyValue("--panel").trim() });
  copy.prepend(paper);
  const texts = [...notes.entries()].map(([index, note]) => {
    const text = svgElement("text", { x: "8", y: String(height + 12 + index * 14), "font-size": "10", fill: theme.getPropertyValue("--muted").trim() });
    text.textContent = note;
    return text;
  });
  copy.append(...texts);
  return new XMLSerializer().serializeToString(copy);
}

function svgElement(name: string, attributes: Record<string, string>): SVGElement {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export function saveSvg(svg: SVGSVGElement, model: ChartModel): void {
  save(`${model.name}.svg`, "image/svg+xml", standalone(svg, model));
}

/** Twice the size on the screen, so that it is sharp in a document. */
const SHARPNESS = 2;

export async function savePng(svg: SVGSVGElement, model: ChartModel): Promise<void> {
  const address = URL.createObjectURL(new Blob([standalone(svg, model)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.width * SHARPNESS;
    canvas.height = image.height * SHARPNESS;
    const context = canvas.getContext("2d");
    context?.scale(SHARPNESS, SHARPNESS);
    context?.drawImage(image, 0, 0);
    const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
    if (blob) save(`${model.name}.png`, "image/png", blob);
  } finally {
    URL.revokeObjectURL(address);
  }
}
