'use strict';
/* global AbortController, document */

const DEBOUNCE_MS = 120;
/** Longer texts are counted without showing their tokens: too many elements for a browser. */
const MAX_SHOWN_LENGTH = 8000;

const element = (id) => document.getElementById(id);
const [text, model] = [element('text'), element('model')];
const numbers = new Intl.NumberFormat('en-US');
const usd = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumSignificantDigits: 3 });
const percent = new Intl.NumberFormat('en-US', { style: 'percent', maximumSignificantDigits: 2 });
const NOTHING = {
  tokens: '–',
  unit: 'tokens',
  characters: '–',
  cost: '–',
  share: '–',
  encoding: '–',
  engine: '–',
  time: '–',
  'pieces-note': '',
};

let timer;
let running;

function show(values) {
  for (const [id, value] of Object.entries(values)) element(id).textContent = value;
}

function create(tag, textContent, more = {}) {
  return Object.assign(document.createElement(tag), { textContent, ...more });
}

function showAnswer(answer, headers) {
  const { prompt_tokens: tokens, estimated_input_cost_usd: cost, context_window: context, tokens: pieces = [] } = answer;
  const shown = pieces.reduce((sum, { ids }) => sum + ids.length, 0);
  const [, countMs] = /\bcount;dur=([\d.]+)/.exec(headers.get('Server-Timing') ?? '') ?? [];
  show({
    tokens: (answer.approximate ? '≈ ' : '') + numbers.format(tokens),
    unit: tokens === 1 ? 'token' : 'tokens',
    note: answer.approximate ? `An estimate: the tokenizer of ${answer.model} is not public.` : '',
    characters: numbers.format([...text.value].length),
    cost: cost === null ? 'unknown price' : usd.format(cost),
    share: context === null ? 'unknown size' : `${percent.format(tokens / context)} of ${numbers.format(context)}`,
    encoding: answer.encoding,
    engine: answer.engine,
    time: countMs === undefined ? '–' : `${Number(countMs)} ms`,
    'pieces-note': !answer.tokens
      ? 'The text is too long to show its tokens.'
      : shown < tokens
        ? `The first ${numbers.format(shown)} tokens.`
        : '',
  });
  element('pieces').replaceChildren(...pieces.map(({ text, ids }) => create('span', text, { title: `token ${ids.join(', ')}` })));
}

function showFailure(note) {
  show({ ...NOTHING, note });
  element('pieces').replaceChildren();
}

async function count() {
  running?.abort();
  const { signal } = (running = new AbortController());
  const body = { model: model.value, input: text.value, ...(text.value.length <= MAX_SHOWN_LENGTH && { include: ['tokens'] }) };
  try {
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch('/v1/tokens/count', { method: 'POST', headers, body: JSON.stringify(body), signal });
    const answer = await response.json();
    if (signal.aborted) return;
    if (response.ok) showAnswer(answer, response.headers);
    else showFailure(answer.error.message);
  } catch {
    // An aborted request has been replaced by a newer one.
    if (!signal.aborted) showFailure('The server does not answer.');
  }
}

async function showState() {
  const { version, engine, why, deployments, features } = await (await fetch('/state')).json();
  show({ version, 'running-engine': engine, why });
  const item = (name, state, isGood) => {
    const entry = create('li', '');
    entry.append(create('span', name), create('span', state, { className: isGood ? 'note' : 'off' }));
    return entry;
  };
  element('deployments').replaceChildren(...deployments.map(({ id, state }) => item(id, state, state === 'available')));
  element('features').replaceChildren(...Object.entries(features).map(([name, { state, enabled }]) => item(name, state, enabled)));
}

text.addEventListener('input', () => {
  clearTimeout(timer);
  timer = setTimeout(count, DEBOUNCE_MS);
});
model.addEventListener('change', count);
void count();
void showState();
