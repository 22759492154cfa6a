/** A bound in the address that is set by a slider or typed. The page follows when the slider is let go. */
import { useEffect, useState } from "preact/hooks";
import { set, useAddress } from "./address";
import { number } from "./format";

interface Props {
  label: string;
  name: string;
  unit: string;
  /** The ends of the slider, both above 0; its steps are even on a logarithmic scale. */
  least: number;
  most: number;
}

/** Steps of a slider: fine enough for two significant digits over four decades. */
const STEPS = 200;

/** Two significant digits, as a person would choose a bound. */
function rounded(value: number): number {
  return Number(value.toPrecision(2));
}

export function Slider({ label, name, unit, least, most }: Props) {
  const text = useAddress().query.get(name) ?? "";
  const [drawn, draw] = useState(text);
  useEffect(() => draw(text), [text]);
  const value = Number(drawn);
  const isSet = drawn !== "" && Number.isFinite(value) && value > 0;
  const position = isSet ? Math.round((Math.log(value / least) / Math.log(most / least)) * STEPS) : STEPS;
  const at = (step: number) => String(rounded(least * (most / least) ** (step / STEPS)));
  const commit = (next: string) => set({ [name]: next === "" ? null : next });
  return (
    <div class="field slider">
      <label>
        <span>
          {label} ({unit})
        </span>
        <input
          type="range"
          min={0}
          max={STEPS}
          value={Math.min(STEPS, Math.max(0, position))}
          aria-valuetext={isSet ? `${number(value)} ${unit}` : "no bound"}
          onInput={(event) => draw(at(Number(event.currentTarget.value)))}
          onChange={(event) => commit(at(Number(event.currentTarget.value)))}
        />
      </label>
      <input type="text" inputMode="decimal" aria-label={`${label}, ${unit}`} placeholder="none" value={drawn} onInput={(event) => draw(event.currentTarget.value)} onChange={(event) => commit(event.currentTarget.value.trim())} />
    </div>
  );
}
