/** Paths of many marks at once: one element a series, however many points it has. */

/** Shapes tell series apart without colours; they repeat behind the colours. */
const SHAPES = ["circle", "square", "diamond", "triangle"] as const;
type Shape = (typeof SHAPES)[number];
export const COLOURS = 8;

export function shapeOf(index: number): Shape {
  return SHAPES[Math.floor(index / COLOURS) % SHAPES.length] ?? "circle";
}

export function markPath(shape: Shape, places: readonly (readonly [number, number])[], radius: number): string {
  const parts: string[] = [];
  const r = radius;
  for (const [x, y] of places) {
    const [left, top] = [x.toFixed(1), y.toFixed(1)];
    if (shape === "circle") parts.push(`M${(x - r).toFixed(1)} ${top}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`);
    else if (shape === "square") parts.push(`M${(x - r).toFixed(1)} ${(y - r).toFixed(1)}h${2 * r}v${2 * r}h${-2 * r}z`);
    else if (shape === "diamond") parts.push(`M${left} ${(y - r * 1.3).toFixed(1)}l${r * 1.3} ${r * 1.3}l${-r * 1.3} ${r * 1.3}l${-r * 1.3} ${-r * 1.3}z`);
    else parts.push(`M${left} ${(y - r * 1.2).toFixed(1)}l${r * 1.2} ${r * 2.2}h${-r * 2.4}z`);
  }
  return parts.join("");
}

/** Crosses: marks that are struck out. */
export function crossPath(places: readonly (readonly [number, number])[], radius: number): string {
  const r = radius;
  return places.map(([x, y]) => `M${(x - r).toFixed(1)} ${(y - r).toFixed(1)}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`).join("");
}

export function linePath(places: readonly (readonly [number, number])[]): string {
  return places.map(([x, y], index) => `${index === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}
