import fc from 'fast-check';
import { STREAM_FIELDS, type StreamField } from '../../test/support/stream-fields.js';
import { usuallyOrLong } from '../../test/support/long.js';
import { MASK, SECRET, WordGuardrail, type WordGuardrailSettings } from '../../test/support/word-guardrail.js';
import { resolveCallHookOptions } from '../calls/hooks/call-hook.js';
import { EventGuard } from '../calls/hooks/event-guard.js';
import { InstalledHook } from '../calls/hooks/installed-hook.js';
import { RunningCall } from '../calls/hooks/running-call.js';
import { textFormatOf } from '../calls/hooks/text/text-formats.js';
import { GuardrailFigures } from './findings.js';
import { GuardrailHook } from './guardrail-hook.js';
import { GuardrailSet } from './guardrail-set.js';

type Fields = Record<string, unknown>;

const log = { log: () => {}, warn: () => {}, error: () => {} };
const routing = { deployments: () => [], groupOf: (model: string) => model, hasFallbacks: () => false };

function guardOf({ operation }: StreamField, guardrails: readonly WordGuardrail[], params: Fields): EventGuard {
  const entries = guardrails.map((guardrail, at) => ({
    guardrail_name: `g${at}`,
    litellm_params: { guardrail, mode: 'post_call', default_on: true, ...params },
  }));
  const parts = { log, http: undefined as never };
  const set = GuardrailSet.open([{ path: 'guardrails', entries }], { log, parts, env: {}, instanceOf: () => undefined });
  const hook = new GuardrailHook(() => set, { routing, figures: new GuardrailFigures(), log, onIntervention: () => {} });
  const installed = new InstalledHook('GuardrailHook', hook, resolveCallHookOptions('hooks'), log);
  const call = new RunningCall([installed], { operation, model: 'm', stream: true, startedAtMs: 0, options: {} }, {});
  return new EventGuard(call, textFormatOf(operation), 1e6);
}

const written = (event: Fields): string =>
  `${typeof event.type === 'string' ? `event: ${event.type}\n` : ''}data: ${JSON.stringify(event)}`;

/** What a client gets of a stream. */
async function read(
  field: StreamField,
  deltas: readonly string[],
  settings: readonly WordGuardrailSettings[],
  params: Fields = {},
): Promise<string> {
  const guard = guardOf(
    field,
    settings.map((each) => new WordGuardrail(each)),
    params,
  );
  let text = '';
  for (const event of field.events(deltas)) text += await guard.pass(written(event));
  return text + (await guard.rest());
}

function textIn(field: StreamField, events: string): string {
  const parsed = events.split('\n').flatMap((line) => (line.startsWith('data: ') ? [JSON.parse(line.slice(6)) as Fields] : []));
  return parsed.map((event) => (field.added(event) as string | undefined) ?? '').join('');
}

function cutAt(text: string, cuts: readonly number[]): readonly string[] {
  const ends = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...ends].map((start, at) => text.slice(start, ends[at])).filter((piece) => piece !== '');
}

const KINDS: readonly WordGuardrailSettings[] = [
  { isExact: true },
  { rewrites: 'edits' },
  { rewrites: 'text' },
  { rewrites: 'edits', isAsync: true },
  { isExact: true, isAsync: true },
];
/** A string of JSON that escapes some of the characters that need no escape. */
function escaped(text: string, every: number): string {
  const characters = Array.from(text, (character, at) =>
    every > 0 && at % every === 0 && /[a-z\d-]/.test(character)
      ? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
      : JSON.stringify(character).slice(1, -1),
  );
  return `"${characters.join('')}"`;
}
const filler = fc.array(fc.constantFrom('All is well. ', 'sk-', 'sk-0123', 'ü', '😀', '"', '\\', '\n', 'x'.repeat(150), SECRET), {
  maxLength: 12,
});

describe('a secret in a stream', () => {
  it.each(STREAM_FIELDS.map((field) => [field.name, field] as const))('does not leak, wherever %s is cut', async (_, field) => {
    const plain = `My key is ${SECRET}, keep it.`;
    const text = field.isJson === true ? JSON.stringify({ note: plain }) : plain;
    for (let cut = 0; cut <= text.length; cut++) {
      const events = await read(field, cutAt(text, [cut]), [KINDS[cut % KINDS.length]], { stream_overlap_chars: 40 });
      expect(events).not.toContain(SECRET);
      expect(textIn(field, events)).toBe(text.replace(SECRET, MASK));
    }
  });

  it('does not leak in any field, in any pieces, through any guardrail', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...STREAM_FIELDS),
        fc.array(fc.constantFrom(...KINDS), { minLength: 1, maxLength: 2 }),
        filler,
        fc.array(fc.nat(), { maxLength: 30 }),
        fc.record({ overlap: fc.constantFrom(20, 64, 200), window: fc.constantFrom(1, 7, 200), every: fc.nat({ max: 5 }) }),
        async (field, kinds, words, cuts, { overlap, window, every }) => {
          const plain = [...words, SECRET, ...words].join('');
          const text = field.isJson === true ? `{"note": ${escaped(plain, every)}, "n": [1, {"a": null}]}` : plain;
          const events = await read(field, cutAt(text, cuts), kinds, { stream_overlap_chars: overlap, stream_window_chars: window });
          expect(events).not.toContain(SECRET);
          const got = textIn(field, events);
          const masked = plain.replaceAll(SECRET, MASK);
          if (field.isJson === true) expect(JSON.parse(got)).toEqual({ note: masked, n: [1, { a: null }] });
          else expect(got).toBe(masked);
        },
      ),
      { numRuns: usuallyOrLong(1_000, 20_000) },
    );
  }, 600_000);
});

describe('a text without a secret', () => {
  it('arrives byte for byte, in the same events if nothing is held back', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...STREAM_FIELDS),
        fc.array(fc.constantFrom('word ', 'ü', '😀', '"', '\\n', '\\', '\u2028', 'a'.repeat(90)), { minLength: 1, maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        async (field, words, cuts) => {
          const text = field.isJson === true ? JSON.stringify({ note: words.join('') }) : words.join('');
          const deltas = cutAt(text, cuts);
          const exact = await read(field, deltas, [{ isExact: true }]);
          expect(textIn(field, exact)).toBe(text);
          if (field.isJson !== true)
            expect(exact).toBe(
              field
                .events(deltas)
                .map((event) => `${written(event)}\n\n`)
                .join(''),
            );
          expect(textIn(field, await read(field, deltas, [{ isAsync: true }]))).toBe(text);
        },
      ),
      { numRuns: usuallyOrLong(300, 5_000) },
    );
  }, 600_000);
});
