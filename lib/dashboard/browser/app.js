'use strict';
/* global confirm, document, EventSource, getComputedStyle, location, matchMedia, navigator */
/* global Option, ResizeObserver, setInterval, uPlot, window */

/** After this time without a message the page shows that its figures are old. */
const STALE_MS = 15_000;
const RETRY_MS = [1000, 2000, 4000, 8000];
const HIDDEN_MS = 60_000;
const LINES = [
  ['p50', '--p50'],
  ['p95', '--p95'],
  ['p99', '--p99'],
];

const element = (id) => document.getElementById(id);
const main = element('main');
const live = element('live');
const choice = element('series');
const count = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

const minutes = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });

let plots = { times: [], series: [] };
let charts = [];
let source;
let failures = 0;
let retry;
let newsAt = 0;

function duration(ms) {
  if (ms === null || ms === undefined) return '–';
  if (ms < 0.001) return `${count.format(ms * 1e6)} ns`;
  if (ms < 1) return `${count.format(ms * 1000)} µs`;
  return ms < 1000 ? `${count.format(ms)} ms` : `${count.format(ms / 1000)} s`;
}

/** Whether the page has plots. */
const hasPlots = element('plots') !== null;

const rate = (value) => (value === null || value === undefined ? '–' : `${count.format(value)} /s`);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function say(state, text) {
  live.dataset.state = state;
  live.textContent = text;
}

// Plots

function chosen() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  return plots.series.find(({ id }) => id === wanted) ?? plots.series[0];
}

function columns(series, names) {
  return [plots.times, ...names.map((name) => series?.[name] ?? plots.times.map(() => null))];
}

function isShown({ scales }, value) {
  return scales.y.distr !== 3 || Math.abs(Math.log10(value) % 1) < 1e-9;
}

const axis = (format) => ({
  stroke: () => colour('--quiet'),
  // A logarithmic scale labels powers of ten only.
  grid: {
    stroke: () => colour('--line'),
    width: 1,
    filter: (chart, splits) => splits.map((value) => (isShown(chart, value) ? value : null)),
  },
  ticks: { show: false },
  font: '12px system-ui, sans-serif',
  size: 64,
  values: (_, splits) => splits.map((value) => (value === null ? '' : format(value))),
});

const timeAxis = () => ({
  ...axis(),
  grid: { show: false },
  size: 28,
  space: 64,
  values: (_, splits) => {
    const format = splits.every((seconds) => seconds % 60 === 0) ? minutes : clock;
    return splits.map((seconds) => format.format(seconds * 1000));
  },
});

/** For a single point uPlot would show a thousand days, labelled by midnights. */
const timeRange = (chart, from, to) => (chart.data[0].length === 1 ? [from - 60, from] : [from, to]);

/** Points without neighbours, which no line would show. */
function lonely(chart, index) {
  const values = chart.data[index];
  const has = (at) => values[at] !== null && values[at] !== undefined;
  return values.flatMap((_, at) => (has(at) && !has(at - 1) && !has(at + 1) ? [at] : []));
}

function line(label, name, format, fill) {
  return {
    label,
    stroke: () => colour(name),
    width: 2,
    points: { size: 5, show: true, filter: lonely },
    // Without a pointer on the plot, the latest.
    value: (chart, value, series, at) => format(at === null ? last(chart.data[series]) : value),
    ...(fill && { fill: () => `${colour(name)}26` }),
  };
}

function draw() {
  for (const { chart } of charts) chart.destroy();
  const cursor = { sync: { key: 'dashboard' }, drag: { x: false, y: false } };
  const time = { label: 'At', value: (_, seconds) => (typeof seconds === 'number' ? clock.format(seconds * 1000) : 'last') };
  const kinds = [
    {
      id: 'latency',
      names: LINES.map(([name]) => name),
      lines: LINES.map(([name, css]) => line(name, css, duration)),
      format: duration,
      scale: { distr: 3 },
    },
    {
      id: 'calls',
      names: ['perSecond'],
      lines: [line('calls', '--calls', rate, true)],
      format: rate,
      scale: { range: (_, __, max) => [0, (max || 1) * 1.15] },
    },
  ];
  charts = kinds.map(({ id, names, lines, format, scale }) => {
    const place = element(id);
    const options = {
      ...sizeOf(place),
      cursor,
      series: [time, ...lines],
      axes: [timeAxis(), axis(format)],
      scales: { x: { range: timeRange }, y: scale },
      legend: { live: true },
    };
    return { place, names, chart: new uPlot(options, columns(chosen(), names), place) };
  });
  fill();
}

function sizeOf(place) {
  const { fontSize } = getComputedStyle(place);
  return { width: place.clientWidth, height: Math.round(11 * Number.parseFloat(fontSize)) };
}

/** The latest figure. */
const last = (values) => values.findLast((value) => value !== null) ?? null;

function fill() {
  const series = chosen();
  const hasData = series !== undefined && plots.times.length > 0;
  element('plots-note').hidden = hasData;
  element('plots-note').textContent = 'Nothing measured yet: no interval with calls has ended.';
  for (const { place, names, chart } of charts) {
    place.hidden = !hasData;
    if (!hasData) continue;
    // A hidden element has no width.
    chart.setSize(sizeOf(place));
    chart.setData(columns(series, names));
  }
  if (!hasData) return;
  const { label, p50, p95, p99, perSecond } = series;
  const spoken = `p50 ${duration(last(p50))}, p95 ${duration(last(p95))}, p99 ${duration(last(p99))}`;
  element('latency').setAttribute('aria-label', `Latency of ${label} over time, at last ${spoken}`);
  element('calls').setAttribute('aria-label', `Calls of ${label} over time, at last ${rate(last(perSecond))}`);
}

function showPlots(news) {
  plots = news;
  offer();
  if (charts.length === 0) draw();
  else fill();
}

/** The operations, sorted by name: an order by calls would change while choosing. */
function offer() {
  const offered = plots.series.toSorted((a, b) => (a.label < b.label ? -1 : 1));
  const isNew = offered.map(({ id }) => id).join() !== [...choice.options].map(({ value }) => value).join();
  if (isNew) choice.replaceChildren(...offered.map(({ id, label }) => new Option(label, id)));
  choice.value = chosen()?.id ?? '';
  choice.parentElement.hidden = offered.length < 2;
}

// Messages

/** HTML of panels that have the focus: it would be lost. */
const waiting = new Map();

/** Rendered and escaped by the functions that render the page. */
function fillPanel(id, html) {
  const panel = element(id);
  if (panel === null) return;
  if (panel.contains(document.activeElement)) {
    waiting.set(id, html);
    return;
  }
  waiting.delete(id);
  const open = [...panel.querySelectorAll('details')].map((each) => each.open);
  panel.innerHTML = html;
  panel.querySelectorAll('details').forEach((each, at) => (each.open = open[at] ?? each.open));
}

document.addEventListener('focusout', () => {
  // The next element has the focus only after this event.
  setTimeout(() => waiting.forEach((html, id) => fillPanel(id, html)));
});

function show({ version, panels, plots: newPlots }) {
  // The messages of another version need its page.
  if (version !== main.dataset.version) return location.reload();
  for (const [id, html] of Object.entries(panels)) fillPanel(id, html);
  if (newPlots && hasPlots) showPlots(newPlots);
  failures = 0;
  newsAt = Date.now();
  say('live', 'Live');
}

function connect() {
  clearTimeout(retry);
  source?.close();
  source = new EventSource(main.dataset.events);
  source.onmessage = ({ data }) => show(JSON.parse(data));
  source.onerror = () => {
    say('lost', newsAt === 0 ? 'Connecting…' : `Reconnecting… Figures of ${clock.format(newsAt)}`);
    // The browser reconnects by itself, except after an answer that was no stream.
    if (source.readyState !== EventSource.CLOSED) return;
    retry = setTimeout(again, RETRY_MS[Math.min(failures++, RETRY_MS.length - 1)]);
  };
}

/** Reloads when the session has expired, to show the log-in form. */
async function again() {
  const answer = await fetch(location.href, { method: 'HEAD', cache: 'no-store' }).catch(() => undefined);
  if (answer?.status === 401) location.reload();
  else connect();
}

function follow() {
  let hiddenSince;
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiddenSince);
    if (document.hidden) {
      // A hidden page needs no updates.
      hiddenSince = setTimeout(() => {
        source.close();
        clearTimeout(retry);
        say('still', 'Paused');
      }, HIDDEN_MS);
    } else if (source.readyState === EventSource.CLOSED) connect();
  });
  setInterval(() => {
    if (live.dataset.state === 'live' && Date.now() - newsAt > STALE_MS) say('lost', `No news. Figures of ${clock.format(newsAt)}`);
  }, 1000);
  say('lost', 'Connecting…');
  connect();
}

// Forms

// A form or button with `data-confirm` asks first. `data-copy` of a button: the id of the element
// whose text or value it copies; the button can be hidden until then.
if (navigator.clipboard !== undefined) document.querySelectorAll('[data-copy]').forEach((each) => (each.hidden = false));
document.addEventListener('submit', (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question !== undefined && !confirm(question)) event.preventDefault();
});
document.addEventListener('click', ({ target }) => {
  const copied = target.closest?.('[data-copy]');
  if (copied === null || copied === undefined) return;
  const { value, textContent } = element(copied.dataset.copy);
  void navigator.clipboard.writeText((value ?? textContent).trim()).then(() => (copied.textContent = 'Copied'));
});

if (hasPlots) {
  choice.addEventListener('change', () => {
    location.replace(`#${encodeURIComponent(choice.value)}`);
    fill();
  });
  window.addEventListener('hashchange', () => showPlots(plots));
  new ResizeObserver(() => fill()).observe(element('plots'));
  // The canvas does not follow style sheets: colours are set by script.
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => draw());
}
if (main.dataset.events !== undefined) follow();
