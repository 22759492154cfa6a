//! The page's style sheet and script: light and dark themes, small screens, tables with their own scroll bars.

pub(super) const STYLE: &str = r"
:root {
  --text: #1c2330; --soft: #5b6575; --page: #f6f7f9; --card: #ffffff; --line: #dfe3e8;
  --good: #14753c; --good-back: #dcf3e4; --bad: #b3261e; --bad-back: #fbe1df; --unsure: #7a5b00; --unsure-back: #fdf0c8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e6e9ee; --soft: #9aa4b2; --page: #14171c; --card: #1d2128; --line: #333a45;
    --good: #6fd694; --good-back: #173824; --bad: #ff9d94; --bad-back: #45201d; --unsure: #f0cf6a; --unsure-back: #3d3314;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
header, main { max-width: 1480px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 28px; }
header .title { margin: 0; color: var(--soft); font-size: 13px; letter-spacing: .04em; text-transform: uppercase; }
h1 { margin: 4px 0; font-size: 26px; line-height: 1.25; }
h1.good { color: var(--good); } h1.bad { color: var(--bad); } h1.unsure { color: var(--unsure); }
h2 { margin: 0 0 12px; font-size: 17px; }
.subtitle { margin: 0 0 16px; color: var(--soft); overflow-wrap: anywhere; } .subtitle + .when { margin-top: -12px; }
a { color: inherit; } code { font-size: .92em; }
.conditions { display: grid; grid-template-columns: max-content 1fr; gap: 4px 18px; margin: 0; font-size: 13.5px; }
.conditions dt { color: var(--soft); } .conditions dd { margin: 0; overflow-wrap: anywhere; }
.cards { display: flex; flex-wrap: wrap; gap: 10px; margin: 16px 0 20px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 8px 14px; min-width: 96px; }
.card .what { display: block; color: var(--soft); font-size: 12px; } .card .what::first-letter { text-transform: uppercase; }
.card .value { font-size: 20px; font-weight: 600; font-variant-numeric: tabular-nums; }
.value.good { color: var(--good); } .value.bad { color: var(--bad); } .value.unsure { color: var(--unsure); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px; margin-bottom: 18px; }
.plot { width: 100%; height: 460px; }
.constants { margin: -6px 0 10px; color: var(--soft); font-size: 13px; }
/* Shadows at the edges where a table goes on: the first two move with the table and cover them at its ends. */
.scroll { overflow-x: auto; background:
  linear-gradient(to right, var(--card) 40%, transparent) left / 40px 100% no-repeat local,
  linear-gradient(to left, var(--card) 40%, transparent) right / 40px 100% no-repeat local,
  linear-gradient(to right, color-mix(in srgb, var(--text) 28%, transparent), transparent) left / 14px 100% no-repeat scroll,
  linear-gradient(to left, color-mix(in srgb, var(--text) 28%, transparent), transparent) right / 14px 100% no-repeat scroll; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid var(--good); outline-offset: 2px; }
th[aria-sort=ascending] button::after { content: ' ↑'; } th[aria-sort=descending] button::after { content: ' ↓'; }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 8px; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
tbody tr:hover { background: color-mix(in srgb, var(--soft) 10%, transparent); }
.number { text-align: right; }
.best { font-weight: 700; }
.delta { display: inline-block; margin-right: 6px; font-size: 12px; font-weight: 400; color: var(--soft); }
.delta.good { color: var(--good); } .delta.bad { color: var(--bad); } .delta.unsure { color: var(--unsure); }
.badge { display: inline-block; border-radius: 999px; padding: 0 9px; font-size: 12px; font-weight: 600; background: var(--line); }
.badge.good { background: var(--good-back); color: var(--good); } .badge.bad { background: var(--bad-back); color: var(--bad); }
.badge.unsure { background: var(--unsure-back); color: var(--unsure); }
.changes { list-style: none; margin: 0; padding: 0; } .changes li { padding: 4px 0; }
.detail { color: var(--soft); }
[hidden] { display: none !important; }
.controls .row { display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: center; }
.controls .row + .row { margin-top: 12px; padding-top: 12px; border-top: 1px solid var(--line); }
.controls fieldset { border: 1px solid var(--line); border-radius: 8px; margin: 0; padding: 2px 10px 6px; }
.controls legend, .controls label { font-size: 13px; } .controls legend { color: var(--soft); padding: 0 4px; }
.controls label { margin-right: 10px; white-space: nowrap; }
.controls select, .controls button { font: inherit; font-size: 13px; color: var(--text); background: var(--page); border: 1px solid var(--line);
  border-radius: 7px; padding: 3px 8px; }
.controls button { cursor: pointer; } .controls button:hover { border-color: var(--soft); }
.controls button[aria-pressed=true] { background: var(--text); color: var(--card); border-color: var(--text); }
.controls .exports { margin-left: auto; display: flex; gap: 8px; align-items: center; }
:is(button, select, input):focus-visible { outline: 2px solid var(--good); outline-offset: 1px; }
@media (max-width: 600px) {
  header, main { padding: 0 10px; } section { padding: 14px 12px; } h1 { font-size: 21px; }
  .card { min-width: 76px; padding: 6px 10px; } .plot { height: auto; min-height: 320px; }
  table { font-size: 12.5px; } th, td { padding: 5px 6px; } .changes li { overflow-wrap: anywhere; }
  .controls label { margin-right: 6px; white-space: normal; overflow-wrap: anywhere; } .controls fieldset { min-width: 0; max-width: 100%; }
  h2, .card { overflow-wrap: anywhere; } .conditions { grid-template-columns: 1fr; gap: 0; } .conditions dd { margin-bottom: 6px; } .controls .exports { margin-left: 0; }
}
@media print { .controls { display: none; } section { break-inside: avoid; } }
#shown { color: var(--soft); font-size: 13px; }
.failure { margin: 10px 0 0; color: var(--bad); overflow-wrap: anywhere; }
";

/// Filters, axes, plots and exports; follows `const report`.
pub(super) const SCRIPT: &str = include_str!("script.js");
