import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FastLiteLLM } from '../../fast-litellm.js';
import { usuallyOrLong } from '../../../test/support/long.js';
import { seededRandom } from '../../../test/support/random-text.js';
import type { EncodingName } from '../engine/engine.js';

// Requests to a model whose tokenizer is hidden from the counter: another encoding and other
// constants of a chat. What the counter learns from the reports must come close to the truth.

const root = join(__dirname, '../../..');
const silent = { log: () => {}, warn: () => {}, error: () => {} };
const files = (folder: string, end: string): string =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(end) && name !== 'coming-from-litellm.md')
    .map((name) => readFileSync(join(root, folder, name), 'utf8'))
    .join('\n');
const prose = files('docs', '.md').replace(/[^A-Za-z0-9 .,'\n]/g, '');
const code = files('lib/token-counter/prompt', '.ts');
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

describe('estimates for a hidden tokenizer', () => {
  it.each<[EncodingName, number, number, readonly [error: number, over: number]]>([
    ['o200k_base', 7, 1, [0.04, 0.12]],
    // A tokenizer that makes half as many tokens more, as Claude's newer one.
    ['o200k_base', 6, 1.53, [0.04, 0.12]],
    // One of 2021, whose tokens of code depend on its indent.
    ['p50k_base', 5, 1, [0.06, 0.2]],
  ])(
    'of %s, %i tokens a message, times %d',
    (encoding, perMessage, factor, [mostError, mostOver]) => {
      const { tokenCounter } = new FastLiteLLM({ engine: 'typescript', logger: silent }, { env: {} });
      const random = seededRandom(encoding.length + perMessage * 31);
      const errors: number[] = [];
      const overs: number[] = [];
      let exceeded = 0;
      const requests = usuallyOrLong(600, 1500);
      for (let i = 0; i < requests; i++) {
        const body = { model: 'hidden-model', messages: chatOf(random) };
        const text = body.messages.reduce((sum, { content }) => sum + tokenCounter.countTokens(content, { encoding }), 0);
        const truth = Math.round((text + perMessage * body.messages.length) * factor);
        const { promptTokens, bound } = tokenCounter.countRequest(body);
        if (i >= 300) {
          errors.push(Math.abs(promptTokens - truth) / truth);
          overs.push(((bound as number) - truth) / truth);
          if ((bound as number) < truth) exceeded++;
        }
        tokenCounter.reportPromptTokens(body, truth);
      }
      const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
      expect(mean(errors)).toBeLessThanOrEqual(mostError);
      expect(exceeded / errors.length).toBeLessThanOrEqual(0.06);
      expect(mean(overs)).toBeLessThanOrEqual(mostOver);
    },
    120_000,
  );
});
