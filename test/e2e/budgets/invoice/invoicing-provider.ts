import { getEncoding } from 'js-tiktoken';
import { startProvider, type ProviderProtocol, type ScriptedAnswer, type TestProvider } from 'nestjs-fast-litellm/testing';
import { sleep } from '../../../support/until.js';
import { KINDS, type CallKind } from './kinds.js';

/** USD for a token. */
export const INPUT_USD = 2.5e-6;
export const OUTPUT_USD = 10e-6;
/** What OpenAI adds to a chat of one message: its frame and role, and the start of the answer. */
const CHAT_FRAME = 7;
const WORDS = 'the a sea ship of and wind light under over evening morning harbour far slow bright captain silver water storm'.split(' ');
const encoding = getEncoding('o200k_base');

/** What providers charge, by kind of call, in USD. */
export class Invoice {
  readonly usd = new Map<CallKind, number>();
  readonly answered = new Map<CallKind, number>();

  add(kind: CallKind, promptTokens: number, completionTokens: number): void {
    this.usd.set(kind, (this.usd.get(kind) ?? 0) + promptTokens * INPUT_USD + completionTokens * OUTPUT_USD);
    this.answered.set(kind, (this.answered.get(kind) ?? 0) + 1);
  }
}

/** A text whose length is that of its number: the same calls have the same answers in each run. */
export function textOf(seed: number): string {
  let state = seed;
  // mulberry32: numbers that follow each other have texts of unrelated lengths.
  const next = (below: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
  return Array.from({ length: 40 + next(160) }, () => WORDS[next(WORDS.length)]).join(' ');
}

/** A provider that counts with a tokenizer of its own, and keeps an invoice. */
export async function invoicingProvider(protocol: ProviderProtocol, invoice: Invoice): Promise<TestProvider> {
  return startProvider(protocol, { name: `${protocol}-invoiced`, script: (request) => answerTo(request.body, invoice) });
}

/** `KIND #NUMBER TEXT` is the prompt of a call. */
const PROMPT = /([a-z_]+) #(\d+) [a-z ]+/;

function answerTo(body: unknown, invoice: Invoice): ScriptedAnswer {
  const [prompt, name, number] = PROMPT.exec(JSON.stringify(body)) ?? [];
  if (prompt === undefined || !(name in KINDS)) throw new Error('no prompt of the run');
  const kind = name as CallKind;
  const text = textOf(Number(number));
  const usage = { promptTokens: encoding.encode(prompt).length + CHAT_FRAME, completionTokens: encoding.encode(text).length };
  const { provider } = KINDS[kind];
  const charge = (completionTokens: number): void => invoice.add(kind, usage.promptTokens, completionTokens);
  return provider({ text, usage, charge, count: (part) => encoding.encode(part).length });
}

/** What a kind of call needs to be answered. */
export interface Answering {
  readonly text: string;
  readonly usage: { readonly promptTokens: number; readonly completionTokens: number };
  /** Puts the prompt and so many tokens of the answer on the invoice. */
  readonly charge: (completionTokens: number) => void;
  readonly count: (text: string) => number;
}

const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
const chunk = (choices: readonly object[], usage?: object): string => event({ id: 'x', object: 'chat.completion.chunk', choices, usage });
const delta = (content: string): string => chunk([{ index: 0, delta: { content }, finish_reason: null }]);
const END = chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]);
const STREAM = { 'content-type': 'text/event-stream' };
const wordsOf = (text: string): string[] => text.match(/ ?[a-z]+/g) ?? [];

/** A stream of OpenAI's that is charged as far as it was written when its connection closes. */
export function stoppable({ text, usage, charge, count }: Answering): ScriptedAnswer {
  return {
    respond: async (response) => {
      let isOpen = true;
      response.once('close', () => (isOpen = false));
      response.writeHead(200, STREAM);
      let written = '';
      for (const word of wordsOf(text)) {
        if (!isOpen) break;
        written += word;
        response.write(delta(word));
        await sleep(5);
      }
      charge(count(written));
      const { promptTokens: prompt_tokens, completionTokens: completion_tokens } = usage;
      const told = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
      response.end(`${END}${chunk([], told)}data: [DONE]\n\n`);
    },
  };
}

/** A stream whose connection breaks in the middle, where its provider stops writing. */
export function brokenStream({ text, charge, count }: Answering): ScriptedAnswer {
  const words = wordsOf(text);
  const written = words.slice(0, words.length >> 1);
  charge(count(written.join('')));
  return {
    respond: (response) => {
      response.writeHead(200, STREAM);
      response.write(written.map(delta).join(''), () => response.destroy());
    },
  };
}

/** A stream that states the tokens of its prompt first, and those of its answer at the end. */
export function usageInParts({ text, usage: { promptTokens, completionTokens } }: Answering): ScriptedAnswer {
  return {
    respond: (response) => {
      response.writeHead(200, STREAM);
      const first = chunk([{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }], { prompt_tokens: promptTokens });
      const last = chunk([], { completion_tokens: completionTokens });
      response.end(`${first}${wordsOf(text).map(delta).join('')}${END}${last}data: [DONE]\n\n`);
    },
  };
}
