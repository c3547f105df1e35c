'use strict';
/* global AbortController, document */

const DEBOUNCE_MS = 120;
/** Longer texts are counted without showing token boundaries: too many elements for a browser. */
const MAX_SHOWN_LENGTH = 8000;
const COLOURS = 5;

const element = (id) => document.getElementById(id);
const text = element('text');
const model = element('model');
const numbers = new Intl.NumberFormat('en-US');
const usd = new Intl.NumberFormat('en-US', { style: 'currency', currency: 'USD', maximumSignificantDigits: 3 });
const percent = new Intl.NumberFormat('en-US', { style: 'percent', maximumSignificantDigits: 2 });

let timer;
let running;

function show(values) {
  for (const [id, value] of Object.entries(values)) element(id).textContent = value;
}

function showPieces(pieces, note) {
  const spans = pieces.map(({ text: piece, ids }, index) => {
    const span = document.createElement('span');
    span.className = `t${index % COLOURS}`;
    span.textContent = piece;
    span.title = ids.length === 1 ? `token ${ids[0]}` : `tokens ${ids.join(', ')}`;
    return span;
  });
  element('pieces').replaceChildren(...spans);
  show({ 'pieces-note': note });
}

function showAnswer(answer, countMs, characters) {
  const { prompt_tokens: tokens, estimated_input_cost_usd: cost, context_window: context } = answer;
  show({
    tokens: (answer.approximate ? '≈ ' : '') + numbers.format(tokens),
    unit: tokens === 1 ? 'token' : 'tokens',
    note: answer.approximate ? `An estimate: the tokenizer of ${answer.model} is not public.` : '',
    characters: numbers.format(characters),
    cost: cost === null ? 'price not known' : usd.format(cost),
    share: context === null ? 'size not known' : `${percent.format(tokens / context)} of ${numbers.format(context)}`,
    encoding: answer.encoding,
    engine: answer.engine,
    time: countMs === null ? '–' : `${countMs} ms`,
  });
  const shown = (answer.tokens ?? []).reduce((sum, { ids }) => sum + ids.length, 0);
  const note =
    answer.tokens === undefined ? 'Too long a text to be shown.' : shown < tokens ? `The first ${numbers.format(shown)} tokens.` : '';
  showPieces(answer.tokens ?? [], note);
}

function showFailure(message) {
  show({ tokens: '–', unit: 'tokens', note: message, characters: '–', cost: '–', share: '–', encoding: '–', engine: '–', time: '–' });
  showPieces([], '');
}

/** The milliseconds in `count;dur=0.012`. */
function countMsOf(response) {
  const match = /\bcount;dur=([\d.]+)/.exec(response.headers.get('Server-Timing') ?? '');
  return match && Number(match[1]);
}

async function count() {
  running?.abort();
  const mine = (running = new AbortController());
  const input = text.value;
  const body = { model: model.value, input, ...(input.length <= MAX_SHOWN_LENGTH && { include: ['tokens'] }) };
  try {
    const response = await fetch('/v1/tokens/count', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
      signal: mine.signal,
    });
    const answer = await response.json();
    if (mine.signal.aborted) return;
    if (response.ok) showAnswer(answer, countMsOf(response), [...input].length);
    else showFailure(answer.error.message);
  } catch {
    // An aborted request has been replaced by a newer one.
    if (!mine.signal.aborted) showFailure('The server does not answer.');
  }
}

text.addEventListener('input', () => {
  clearTimeout(timer);
  timer = setTimeout(count, DEBOUNCE_MS);
});
model.addEventListener('change', count);
void count();
