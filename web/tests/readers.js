// What a page shows, for the expressions of tests/serving/addresses.json.
const text = (selector) => document.querySelector(selector)?.textContent ?? null;
const fields = (label) => [...document.querySelectorAll('.field')].filter((field) => field.querySelector('span')?.textContent.trim().startsWith(label)).map((field) => field.querySelector('select, input').value);
const field = (label) => fields(label)[0] ?? null;
const slider = (label) => document.querySelector(`.slider input[type=text][aria-label^="${label}"]`)?.value ?? null;
const isOn = (label) => [...document.querySelectorAll('.switch')].find((field) => field.textContent.trim() === label)?.querySelector('input').checked ?? null;
const table = (name) => document.querySelector(`[role=region][aria-label^="${name}"] table`);
const column = (name, at) => [...(table(name)?.tBodies[0].rows ?? [])].map((row) => row.cells[at].textContent);
const headings = (name) => [...(table(name)?.tHead.rows[0].cells ?? [])].map((cell) => cell.textContent);
const sorted = (name) => { const cell = table(name)?.querySelector('[aria-sort]'); return cell ? `${cell.ariaSort} ${cell.textContent.replace(/[▲▼]/, '')}` : null; };
const lines = () => [...document.querySelectorAll('.legend li')].map((line) => line.textContent.replace(/only$/, '').trim());
const axes = () => [...(document.querySelector('.frame svg')?.querySelectorAll('text[fill="var(--text)"]') ?? [])].map((title) => title.textContent);
const titles = () => [...document.querySelectorAll('.smalls h2')].map((title) => title.textContent);
const chosen = () => [...document.querySelectorAll('.facets input:checked')].map((box) => box.parentElement.querySelector('.value').textContent);
const facet = (name) => [...document.querySelectorAll('.facets fieldset')].filter((set) => set.querySelector('legend').textContent === name).flatMap((set) => [...set.querySelectorAll('label')].map((label) => label.textContent));
const cards = (title) => [...document.querySelectorAll('.card')].find((card) => card.querySelector('.title').textContent === title)?.querySelector('.value').textContent ?? null;
