import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { atOnce } from '../../common/next-turn.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import { seededRandom } from '../../../test/support/random-text.js';
import { isComplete, oneOrAll, usuallyOrLong } from '../../../test/support/long.js';
import { tokenizerPackages, type TokenizerPackage } from '../../../test/support/tokenizer-packages.js';
import type { EncodingName } from '../engine/engine.js';
import { openNativeBinding } from '../../engine/native-binding.js';
import { NativeTokenCounterEngine } from '../engine/native.js';
import { familyOf, type FamilyName } from '../families.js';
import { packTokenizer } from '../tokenizers/pack.js';
import { PackedTokenizer } from '../tokenizers/packed-layout.js';
import { readTokenizer } from '../tokenizers/read-tokenizer.js';
import type { TokenCounterService } from '../token-counter.service.js';

// Requests to a model whose tokenizer is hidden from the counter: another encoding and other
// constants of a chat. What the counter learns from the reports must come close to the truth.
// Figures of all tokenizers, and of harder texts: docs/design/estimates.md.

const root = join(__dirname, '../../..');
const silent = { log: () => {}, warn: () => {}, error: () => {} };
// Of a package, because texts of this project are other ones with each change.
const files = (folder: string, end: string): string =>
  readdirSync(join(root, 'node_modules/fastify', folder))
    .filter((name) => name.endsWith(end))
    .map((name) => readFileSync(join(root, 'node_modules/fastify', folder, name), 'utf8'))
    .join('\n');
const prose = files('docs/Reference', '.md').replace(/[^A-Za-z0-9 .,'\n]/g, '');
const code = files('lib', '.js');
const words: Readonly<Record<string, readonly string[]>> = {
  chinese:
    '我们 今天 天气 很好 请 告诉 公司 的 政策 问题 如何 解决 这个 数据 模型 非常 重要 用户 需要 更多 信息 ， 。 因为 所以 但是 可以'.split(
      ' ',
    ),
  russian:
    'сегодня погода хорошая пожалуйста расскажите политике компании вопрос как решить эти данные модель очень важна пользователю нужно больше сведений потому но можно'.split(
      ' ',
    ),
  arabic:
    'اليوم الطقس جميل من فضلك أخبرنا عن سياسة الشركة السؤال كيف نحل هذه البيانات النموذج مهم جدا المستخدم يحتاج المزيد المعلومات لأن لكن يمكن'.split(
      ' ',
    ),
  german:
    'heute ist das Wetter schön bitte erklären Sie die Richtlinien unserer Gesellschaft wie lässt sich diese Frage lösen weil Datenverarbeitung sehr wichtig für Benutzer wäre'.split(
      ' ',
    ),
};

type Random = () => number;
const KINDS = ['prose', 'prose', 'code', 'chinese', 'russian', 'arabic', 'german'];

function textOf(kind: string, length: number, random: Random): string {
  const source = kind === 'prose' ? prose : kind === 'code' ? code : undefined;
  if (source !== undefined) {
    const start = Math.floor(random() * (source.length - length));
    return source.slice(start, start + length);
  }
  const list = words[kind];
  let text = '';
  while (text.length < length) text += list[Math.floor(random() * list.length)] + (kind === 'chinese' ? '' : ' ');
  return text;
}

function chatOf(random: Random): { role: string; content: string }[] {
  const kind = KINDS[Math.floor(random() * KINDS.length)];
  const messages = 1 + Math.floor(random() * 6);
  return Array.from({ length: messages }, (_, i) => ({
    role: i % 2 === 0 ? 'user' : 'assistant',
    content: textOf(kind, 40 + Math.floor(random() ** 2 * 3000), random),
  }));
}

type Body = { readonly model: string; readonly messages: ReturnType<typeof chatOf> };

/** Replays requests, 1,500 with LONG=1. Returns percentages over those after the first 300. */
function replay(tokenCounter: TokenCounterService, truthOf: (body: Body) => number, seed: number) {
  const random = seededRandom(seed);
  const errors: number[] = [];
  const overs: number[] = [];
  let exceeded = 0;
  const requests = usuallyOrLong(600, 1500);
  for (let i = 0; i < requests; i++) {
    const body = { model: 'hidden-model', messages: chatOf(random) };
    const truth = truthOf(body);
    const { promptTokens, bound = 0 } = tokenCounter.countRequest(body);
    if (i >= 300) {
      errors.push(Math.abs(promptTokens - truth) / truth);
      overs.push((bound - truth) / truth);
      if (bound < truth) exceeded++;
    }
    tokenCounter.reportPromptTokens(body, truth);
  }
  const percent = (values: readonly number[]): number => (values.reduce((sum, value) => sum + value, 0) / values.length) * 100;
  return { error: percent(errors), exceeded: (exceeded / errors.length) * 100, over: percent(overs) };
}

const { binding } = openNativeBinding();

/** Counts chats as a model of a family does. */
function openTokenizer({ name, file }: TokenizerPackage, family: FamilyName): (body: Body) => number {
  const tokenizer = atOnce(PackedTokenizer.opening(name, `replay-${name}`, packTokenizer(readTokenizer(file, undefined))));
  if (tokenizer === undefined) throw new Error(`${file} cannot be packed`);
  const engine = new NativeTokenCounterEngine(binding!);
  const handle = engine.load(tokenizer);
  const { prompt, user, assistant } = familyOf(family).chat ?? { prompt: 3, user: 7, assistant: 7 };
  return ({ messages }) =>
    messages.reduce((sum, { role, content }) => sum + engine.count(content, handle) + (role === 'user' ? user : assistant), prompt);
}

const OPEN: Readonly<Record<string, FamilyName>> = {
  'tokenizer-llama3': 'llama-3',
  'tokenizer-qwen3': 'qwen',
  'tokenizer-deepseek_v3': 'deepseek-v3',
  'tokenizer-mistral_nemo': 'tekken',
  'tokenizer-gemma3': 'gemma-3',
  'tokenizer-command_r_plus': 'command-r',
  'tokenizer-claude': 'claude-2',
};

describe('estimates for a hidden tokenizer', () => {
  const open = (): TokenCounterService => new FastLiteLLM({ engine: 'typescript', logger: silent }, { env: {} }).tokenCounter;
  const expectClose = (figures: ReturnType<typeof replay>): void => {
    expect(figures.error).toBeLessThanOrEqual(4);
    expect(figures.exceeded).toBeLessThanOrEqual(6);
    expect(figures.over).toBeLessThanOrEqual(12);
  };

  const hidden: [EncodingName, number, number][] = [
    // A tokenizer that makes half as many tokens more, as Claude's newer one.
    ['o200k_base', 6, 1.53],
    ['o200k_base', 7, 1],
    // One of 2021, whose tokens of code depend on its indent.
    ['p50k_base', 5, 1],
  ];
  it.each(oneOrAll(hidden))('of %s, %i tokens a message, times %d', (encoding, perMessage, factor) => {
    const tokenCounter = open();
    const truthOf = ({ messages }: Body): number => {
      const text = messages.reduce((sum, { content }) => sum + tokenCounter.countTokens(content, { encoding }), 0);
      return Math.round((text + perMessage * messages.length) * factor);
    };
    expectClose(replay(tokenCounter, truthOf, encoding.length + perMessage * 31));
  });

  const packages = isComplete && binding ? tokenizerPackages().filter(({ name }) => OPEN[name] !== undefined) : [];
  (packages.length > 0 ? it.each(packages) : it.skip.each([{ name: 'packages of a long run', file: '', version: '' }]))(
    'of $name, with its chat template',
    (tokenizer) => expectClose(replay(open(), openTokenizer(tokenizer, OPEN[tokenizer.name]), 17)),
  );
});
