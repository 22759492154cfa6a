/** Paths of many marks at once: one element a series, however many points it has. */

/** Shapes tell series apart without colours; they repeat behind the colours. */
const SHAPES = ["circle", "square", "diamond", "triangle"] as const;
type Shape = (typeof SHAPES)[number];
export const COLOURS = 8;

export function shapeOf(index: number): Shape {
  return SHAPES[Math.floor(index / COLOURS) % SHAPES.length] ?? "circle";
}

/** A tenth of a pixel; `toFixed` takes several times as long. */
function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}

export function markPath(shape: Shape, places: readonly (readonly [number, number])[], radius: number): string {
  const parts: string[] = [];
  const r = radius;
  for (const [x, y] of places) {
    const [left, top] = [tenth(x), tenth(y)];
    if (shape === "circle") parts.push(`M${tenth(x - r)} ${top}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`);
    else if (shape === "square") parts.push(`M${tenth(x - r)} ${tenth(y - r)}h${2 * r}v${2 * r}h${-2 * r}z`);
    else if (shape === "diamond") parts.push(`M${left} ${tenth(y - r * 1.3)}l${r * 1.3} ${r * 1.3}l${-r * 1.3} ${r * 1.3}l${-r * 1.3} ${-r * 1.3}z`);
    else parts.push(`M${left} ${tenth(y - r * 1.2)}l${r * 1.2} ${r * 2.2}h${-r * 2.4}z`);
  }
  return parts.join("");
}

/** Crosses: marks that are struck out. */
export function crossPath(places: readonly (readonly [number, number])[], radius: number): string {
  const r = radius;
  return places.map(([x, y]) => `M${tenth(x - r)} ${tenth(y - r)}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`).join("");
}

export function linePath(places: readonly (readonly [number, number])[]): string {
  return places.map(([x, y], index) => `${index === 0 ? "M" : "L"}${tenth(x)} ${tenth(y)}`).join("");
}
