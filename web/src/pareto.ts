/** Frontiers of measured points. No value between two of them is claimed: the line only joins them. */

export type Direction = "higher" | "lower";

/** The points that no other one beats in both directions, by ascending x. */
export function frontier<T>(points: readonly T[], x: (point: T) => number, y: (point: T) => number, betterX: Direction, betterY: Direction): T[] {
  const [signX, signY] = [betterX === "higher" ? -1 : 1, betterY === "higher" ? -1 : 1];
  const order = [...points].sort((one, other) => signX * (x(one) - x(other)) || signY * (y(one) - y(other)));
  const best: T[] = [];
  let bound = Infinity;
  for (const point of order) {
    const value = signY * y(point);
    if (value < bound) {
      best.push(point);
      bound = value;
    }
  }
  return best.sort((one, other) => x(one) - x(other));
}
