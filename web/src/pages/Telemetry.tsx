/** What the GPUs did while a point was measured, with what is unusual among its other runs marked. */
import type { Point } from "../api";
import { number, percent } from "../format";
import { metricOf, shown } from "../metrics";
import { median } from "../statistics";

const COLUMNS = ["avg_power_w", "avg_total_gpu_power_w", "total_gpu_energy_j", "avg_temp_c", "peak_temp_c", "avg_util_pct", "avg_mem_used_mb"];
/** NVIDIA's data centre GPUs slow down from about this temperature on. */
const HOT_C = 83;
/** A robust standard deviation of normally distributed values is this many median absolute deviations. */
const ROBUST = 1.4826;
/** Other runs that make a usual value. */
const FEWEST = 4;
/** Robust standard deviations from the usual value, and the least part of it that matters. */
const FAR = 4;
const LEAST = 0.03;

export function Telemetry({ point, others }: { point: Point; others: readonly Point[] }) {
  const rows = COLUMNS.flatMap((column) => {
    const metric = metricOf(column);
    const value = metric && shown(metric, point[column as keyof Point]);
    if (!metric || value === null || value === undefined) return [];
    const known = others.filter((other) => other.run !== point.run).flatMap((other) => shown(metric, other[column as keyof Point]) ?? []);
    return [{ metric, value, usual: usualOf(known), anomaly: anomalyOf(column, value, known) }];
  });
  if (rows.length === 0) return null;
  return (
    <section aria-label="GPU telemetry">
      <h2>GPU telemetry</h2>
      <div class="scroll" tabIndex={0} role="region" aria-label="GPU telemetry of the point">
        <table>
          <thead>
            <tr>
              <th scope="col">Quantity</th>
              <th scope="col" class="number">Value</th>
              <th scope="col">Unit</th>
              <th scope="col" class="number">Usual</th>
              <th scope="col">Anomaly</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ metric, value, usual, anomaly }) => (
              <tr key={metric.column}>
                <th scope="row">{metric.title}</th>
                <td class="number">{number(value)}</td>
                <td>{metric.unit}</td>
                <td class="number">{number(usual)}</td>
                <td>{anomaly ? <strong class="worse-text">⚠ {anomaly}</strong> : <span class="muted">none</span>}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="muted">
        Usual: the median of the point's other runs. Marked: peak temperatures over {HOT_C} °C, from about which NVIDIA's data centre GPUs slow down (GPUs of other makers have other limits), and values more than {FAR} robust standard deviations ({ROBUST} × the median absolute deviation) and {LEAST * 100} % from the usual one.
      </p>
    </section>
  );
}

function usualOf(known: readonly number[]): number | null {
  return known.length < FEWEST ? null : median(known);
}

function anomalyOf(column: string, value: number, known: readonly number[]): string | null {
  if (column === "peak_temp_c" && value > HOT_C) return `over ${HOT_C} °C: an NVIDIA GPU may have slowed down`;
  const usual = usualOf(known);
  if (usual === null) return null;
  const spread = ROBUST * (median(known.map((other) => Math.abs(other - usual))) ?? 0);
  const distance = Math.abs(value - usual);
  return distance > FAR * spread && distance > LEAST * Math.abs(usual) ? `${percent(value / usual - 1)} from the usual value` : null;
}
