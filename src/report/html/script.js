// The page's one script: filters, axes, plots and exports. Everything that a reader chooses is in the address, so that a link
// shows what its sender saw.
const colours = ['#0072b2', '#e69f00', '#009e73', '#d55e00', '#cc79a7', '#56b4e9', '#b59f00', '#7f7fff', '#8c6d31', '#999999'];
const symbols = ['circle', 'square', 'diamond', 'triangle-up', 'cross', 'star'];
const byId = name => document.getElementById(name);
const axis = id => report.axes.find(axis => axis.id === id);

function readState() {
  const given = new URLSearchParams(location.hash.slice(1));
  const known = (id, otherwise) => (axis(given.get(id)) ? given.get(id) : otherwise);
  const hidden = report.dimensions.map(name => new Set(given.getAll('no-' + name)));
  // `hardware=h100` shows that alone, whatever else there is: a link that a person can write.
  const only = report.dimensions.map(name => new Set(given.getAll(name)));
  return { x: known('x', 'interactivity'), y: known('y', 'throughput-per-gpu'), logX: given.has('logx'), logY: given.has('logy'),
    pareto: given.get('pareto') !== 'off', hidden, only };
}

function writeState(state) {
  const given = new URLSearchParams();
  report.dimensions.forEach((name, at) => {
    state.only[at].forEach(value => given.append(name, value));
    state.hidden[at].forEach(value => given.append('no-' + name, value));
  });
  if (state.x !== 'interactivity') given.set('x', state.x);
  if (state.y !== 'throughput-per-gpu') given.set('y', state.y);
  if (state.logX) given.set('logx', '1');
  if (state.logY) given.set('logy', '1');
  if (!state.pareto) given.set('pareto', 'off');
  history.replaceState(null, '', '#' + given);
}

let state = readState();
const isShown = point => point.in.every((value, at) => !state.hidden[at].has(value) && (state.only[at].size === 0 || state.only[at].has(value)));

// The points that no other one beats in both axes.
function frontier(points) {
  const [x, y] = [axis(state.x), axis(state.y)];
  if (!x.better || !y.better) return [];
  const sorted = points.slice().sort((a, b) => (b.values[state.x] - a.values[state.x]) * x.better || (b.values[state.y] - a.values[state.y]) * y.better);
  let best = -Infinity;
  return sorted.filter(point => {
    const value = point.values[state.y] * y.better;
    if (value <= best) return false;
    best = value;
    return true;
  });
}

// Bars from the lower to the upper end of the intervals of a metric, where points have them.
function errorBars(points, id, colour) {
  const of = point => point.intervals[id] || [point.values[id], point.values[id]];
  if (!points.some(point => id in point.intervals)) return undefined;
  return { type: 'data', symmetric: false, array: points.map(point => of(point)[1] - point.values[id]),
    arrayminus: points.map(point => point.values[id] - of(point)[0]), color: colour, thickness: 1, width: 3 };
}

// Concurrencies beside the points can be read as long as they do not lie on each other; the hover text has them anyway.
const MOST_LABELS = { narrow: 24, wide: 80 };

// A phone would cut a longer name without a sign of it.
const shortened = (name, narrow) => (narrow && name.length > 44 ? name.slice(0, 43) + '…' : name);

// plotly.js replaces `%{...}` in templates. Names come from configs and files of others: they are shown as they are written. The HTML
// that it would interpret has been escaped before (plot.rs).
const inTemplate = text => text.replace(/%\{/g, '%&#123;');

function traces(points, narrow) {
  const labels = points.length <= (narrow ? MOST_LABELS.narrow : MOST_LABELS.wide) ? '+text' : '';
  const found = [];
  const curves = [...new Set(points.map(point => point.curve))].sort();
  curves.forEach((curve, index) => {
    const of = points.filter(point => point.curve === curve).sort((a, b) => a.conc - b.conc);
    const colour = colours[index % colours.length];
    const symbol = symbols[Math.floor(index / colours.length) % symbols.length];
    const before = of.filter(point => state.x in point.base && state.y in point.base);
    if (before.length) {
      found.push({ type: 'scatter', mode: 'lines+markers', name: curve + ' (base)', legendgroup: curve, showlegend: false, opacity: 0.55,
        x: before.map(point => point.base[state.x]), y: before.map(point => point.base[state.y]),
        hovertemplate: '<b>' + inTemplate(curve) + '</b> in the base<br>%{x:.4s} · %{y:.4s}<extra></extra>',
        line: { color: colour, width: 1.5, dash: 'dot' }, marker: { color: colour, symbol: symbol + '-open', size: 7 } });
    }
    found.push({ type: 'scatter', mode: 'lines+markers' + labels, name: shortened(curve, narrow), legendgroup: curve, textposition: 'top right', textfont: { size: 10 },
      x: of.map(point => point.values[state.x]), y: of.map(point => point.values[state.y]), text: of.map(point => String(point.conc)),
      hovertext: of.map(point => point.hover), hovertemplate: '<b>' + inTemplate(curve) + '</b><br>%{hovertext}<extra></extra>',
      error_x: errorBars(of, state.x, colour), error_y: errorBars(of, state.y, colour),
      line: { color: colour, width: 2 }, marker: { color: colour, symbol, size: 9 } });
  });
  const best = state.pareto ? frontier(points) : [];
  if (best.length > 1) {
    found.push({ type: 'scatter', mode: 'lines', name: 'Pareto frontier', hoverinfo: 'skip', x: best.map(point => point.values[state.x]),
      y: best.map(point => point.values[state.y]), line: { color: colour('--text'), width: 1.5, dash: 'dash' } });
  }
  return found;
}

// On a phone the legend lies below the axis, in as much room as it turned out to need.
const PLOT_HEIGHT = 330, AXIS_HEIGHT = 58;
function fitLegend(element, reserved) {
  const legend = element.querySelector('.legend .bg');
  const needed = legend ? Math.ceil(legend.getBoundingClientRect().height) : 0;
  if (Math.abs(needed - reserved) <= 4) return undefined;
  return Plotly.relayout(element, { height: PLOT_HEIGHT + needed, 'margin.b': AXIS_HEIGHT + needed });
}

const colour = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function drawPlot(element) {
  const of = report.points.filter(point => point.in[0] === element.dataset.model && point.in[4] === element.dataset.sequence);
  const points = of.filter(point => isShown(point) && state.x in point.values && state.y in point.values);
  element.closest('section').hidden = points.length === 0;
  if (points.length === 0) return;
  const line = { gridcolor: colour('--line'), zerolinecolor: colour('--line'), linecolor: colour('--line') };
  const one = (id, log) => ({ ...line, title: { text: axis(id).title }, type: log ? 'log' : 'linear', rangemode: log ? 'normal' : 'tozero' });
  const narrow = element.clientWidth < 600;
  const found = traces(points, narrow);
  // A line for each entry at first: a legend is cut at half of the height.
  const reserved = 19 * found.filter(trace => trace.showlegend !== false).length;
  const legend = narrow ? { orientation: 'h', yref: 'container', y: 0, yanchor: 'bottom', font: { size: 10 } } : { orientation: 'h', y: -0.18 };
  const margin = narrow ? { l: 50, r: 8, t: 10, b: AXIS_HEIGHT + reserved } : { l: 70, r: 20, t: 20, b: 60 };
  const layout = { xaxis: one(state.x, state.logX), yaxis: one(state.y, state.logY), margin, hovermode: 'closest',
    height: narrow ? PLOT_HEIGHT + reserved : undefined, legend, paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', font: { color: colour('--text') },
    modebar: { bgcolor: 'rgba(0,0,0,0)', color: colour('--soft'), activecolor: colour('--text') },
    hoverlabel: { bgcolor: colour('--card'), bordercolor: colour('--line'), font: { color: colour('--text') } } };
  // plotly.js shows a button by default that uploads the chart to Plotly's cloud; what was measured stays with the reader.
  const drawn = Plotly.react(element, found, layout, { responsive: true, displaylogo: false, displayModeBar: !narrow, showSendToCloud: false,
    toImageButtonOptions: { format: 'png', scale: 2 } });
  drawn.then(() => narrow && fitLegend(element, reserved)).then(() => { element.dataset.drawn = 'yes'; });
}

// A list names points or curves. What is not in this run, such as a missing point, belongs to no filter.
function isNameShown(name) {
  const of = report.points.filter(point => point.name === name || point.key === name);
  return of.length === 0 || of.some(isShown);
}

// Counts of the shown points. A mean over all points is none over some of them.
function drawCards() {
  const shown = report.points.filter(isShown);
  const all = shown.length === report.points.length;
  document.querySelectorAll('.card[data-count]').forEach(card => {
    const which = card.dataset.count;
    const count = { points: shown.length, measured: shown.filter(point => point.measured).length }[which]
      ?? shown.filter(point => point.verdict === which).length;
    const isOfRun = report.points.some(point => point.verdict === which) || which === 'points' || which === 'measured';
    card.hidden = which === 'overall' && !all;
    if (isOfRun) card.querySelector('.value').textContent = count;
  });
}

// Sorting: a number by its value, a dash behind all numbers, a text by its letters.
function cellValue(cell) {
  const text = [...cell.childNodes].filter(node => node.nodeType === Node.TEXT_NODE).map(node => node.textContent).join('').trim()
    || cell.textContent.trim();
  const number = Number(text.replaceAll(',', '').replace('−', '-'));
  return cell.classList.contains('number') && !Number.isNaN(number) && text !== '' ? number : text;
}

function sortBy(header) {
  const descending = header.getAttribute('aria-sort') === 'ascending';
  const at = [...header.parentNode.children].indexOf(header);
  const body = header.closest('table').tBodies[0];
  const compare = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === 'number' ? -1 : 1);
  const rows = [...body.rows].map(row => [cellValue(row.cells[at]), row]);
  rows.sort(([a], [b]) => (typeof a === typeof b && descending ? compare(b, a) : compare(a, b)));
  rows.forEach(([, row]) => body.append(row));
  header.parentNode.querySelectorAll('th').forEach(other => other.removeAttribute('aria-sort'));
  header.setAttribute('aria-sort', descending ? 'descending' : 'ascending');
}

function makeSortable(header) {
  const button = document.createElement('button');
  button.type = 'button';
  button.append(...header.childNodes);
  button.addEventListener('click', () => sortBy(header));
  header.append(button);
}

function drawTables() {
  document.querySelectorAll('tr[data-point]').forEach(row => { row.hidden = !isShown(report.points[Number(row.dataset.point)]); });
  document.querySelectorAll('section.group').forEach(section => { section.hidden = !section.querySelector('tr[data-point]:not([hidden])'); });
  document.querySelectorAll('[data-name]').forEach(item => { item.hidden = !isNameShown(item.dataset.name); });
  document.querySelectorAll('ul.changes').forEach(list => { list.closest('section').hidden = list.querySelector('[data-name]') && !list.querySelector('li:not([hidden])'); });
  drawCards();
  byId('shown').textContent = report.points.filter(isShown).length + ' of ' + report.points.length + ' points';
}

function drawControls() {
  document.querySelectorAll('input[data-dimension]').forEach(box => {
    const at = Number(box.dataset.dimension);
    box.checked = !state.hidden[at].has(box.value) && (state.only[at].size === 0 || state.only[at].has(box.value));
  });
  document.querySelectorAll('button[data-x]').forEach(button =>
    button.setAttribute('aria-pressed', String(button.dataset.x === state.x && button.dataset.y === state.y)));
  byId('x').value = state.x;
  byId('y').value = state.y;
  byId('logx').checked = state.logX;
  byId('logy').checked = state.logY;
  byId('pareto').checked = state.pareto;
}

function draw() {
  drawControls();
  drawTables();
  document.querySelectorAll('.plot').forEach(drawPlot);
}

function change(how) {
  how(state);
  writeState(state);
  draw();
}

function save(name, text) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

// The shown points; what a spreadsheet would run as a formula is kept from it by a quote.
function csv() {
  const field = value => {
    const text = value === undefined ? '' : String(value);
    const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? "'" + text : text;
    return /[",\n\r]/.test(safe) ? '"' + safe.replaceAll('"', '""') + '"' : safe;
  };
  const rows = report.points.filter(isShown).map(point => [...point.in, point.name, ...report.axes.map(axis => point.values[axis.id])]);
  return [[...report.dimensions, 'point', ...report.axes.map(axis => axis.title)], ...rows].map(row => row.map(field).join(',') + '\n').join('');
}

document.querySelectorAll('input[data-dimension]').forEach(box => box.addEventListener('change', () => change(state => {
  const at = Number(box.dataset.dimension);
  const boxes = [...document.querySelectorAll(`input[data-dimension="${at}"]`)];
  state.only[at] = new Set();
  state.hidden[at] = new Set(boxes.filter(box => !box.checked).map(box => box.value));
})));
byId('x').addEventListener('change', event => change(state => { state.x = event.target.value; }));
byId('y').addEventListener('change', event => change(state => { state.y = event.target.value; }));
byId('logx').addEventListener('change', event => change(state => { state.logX = event.target.checked; }));
byId('logy').addEventListener('change', event => change(state => { state.logY = event.target.checked; }));
byId('pareto').addEventListener('change', event => change(state => { state.pareto = event.target.checked; }));
document.querySelectorAll('button[data-x]').forEach(button => button.addEventListener('click', () => change(state => {
  state.x = button.dataset.x;
  state.y = button.dataset.y;
})));
byId('csv').addEventListener('click', () => save('points.csv', csv()));
byId('png').addEventListener('click', () => document.querySelectorAll('section:not([hidden]) > .plot').forEach(element =>
  Plotly.downloadImage(element, { format: 'png', width: 1280, height: 720, filename: element.dataset.model + '-' + element.dataset.sequence })));
document.querySelectorAll('section.group th').forEach(makeSortable);
addEventListener('hashchange', () => { state = readState(); draw(); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
draw();
