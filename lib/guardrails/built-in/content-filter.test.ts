import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judge, localGuardrail, rewritten } from '../../../test/support/built-in-guardrail.js';

const ID = 'litellm_content_filter';
const EMAIL = { pattern_type: 'prebuilt', pattern_name: 'email', action: 'MASK' };

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'content-filter-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function filtered(params: object, text: string): string | undefined {
  return rewritten(judge(localGuardrail(ID, params), [text]), [text])?.[0];
}

describe('masks', () => {
  test.each([
    ['a known format', { patterns: [EMAIL] }, 'to a@b.org now', 'to [EMAIL_REDACTED] now'],
    ['with its own text', { patterns: [EMAIL], pattern_redaction_format: '<{pattern_name}>' }, 'a@b.org', '<EMAIL>'],
    [
      'an expression',
      { patterns: [{ pattern_type: 'regex', pattern: 'PROJ-[0-9]+', name: 'project', action: 'MASK' }] },
      'see proj-12 and PROJ-3',
      'see [PROJECT_REDACTED] and [PROJECT_REDACTED]',
    ],
    ['a word', { blocked_words: [{ keyword: 'Falcon', action: 'MASK' }] }, 'the FALCON, falcons', 'the [KEYWORD_REDACTED], falcons'],
    ['a phrase over lines', { blocked_words: [{ keyword: 'red bird', action: 'MASK' }] }, 'a Red\n  bird', 'a [KEYWORD_REDACTED]'],
    ['full-width letters', { blocked_words: [{ keyword: 'falcon', action: 'MASK' }] }, 'ｆａｌｃｏｎ!', '[KEYWORD_REDACTED]!'],
    ['a word with hidden characters', { blocked_words: [{ keyword: 'falcon', action: 'MASK' }] }, 'fal\u200bcon', '[KEYWORD_REDACTED]'],
    ['a word with a mark of direction', { blocked_words: [{ keyword: 'falcon', action: 'MASK' }] }, 'fal\u200econ', '[KEYWORD_REDACTED]'],
    [
      'a word with invisible tags',
      { blocked_words: [{ keyword: 'falcon', action: 'MASK' }] },
      'fal\u{e0041}\u{e0042}con',
      '[KEYWORD_REDACTED]',
    ],
    ['a word with a selector of a form', { blocked_words: [{ keyword: 'fal\ufe0fcon', action: 'MASK' }] }, 'falcon', '[KEYWORD_REDACTED]'],
    [
      'a word in a text without spaces',
      { blocked_words: [{ keyword: '機密', action: 'MASK' }] },
      'これは機密です',
      'これは[KEYWORD_REDACTED]です',
    ],
    [
      'matches that overlap as one',
      { patterns: [EMAIL], blocked_words: [{ keyword: 'x a', action: 'MASK' }] },
      'x a@b.org',
      '[KEYWORD_REDACTED]',
    ],
    ['nothing else', { patterns: [EMAIL] }, 'someone@nowhere', 'someone@nowhere'],
  ])('%s', (_, params, text, expected) => {
    expect(filtered(params, text)).toBe(expected);
  });

  test('reports kind and count, not the text', () => {
    const verdict = judge(localGuardrail(ID, { patterns: [EMAIL] }), ['a@b.org, c@d.org', 'nothing', 'e@f.org']);
    expect(verdict).toMatchObject({
      findings: [
        { kind: 'email', path: 'messages.0.content', action: 'masked', count: 2 },
        { kind: 'email', path: 'messages.2.content', action: 'masked', count: 1 },
      ],
    });
    expect(JSON.stringify(verdict)).not.toContain('b.org');
  });
});

describe('denies', () => {
  const BLOCK = { ...EMAIL, action: 'BLOCK' };

  test('a known format, without repeating it', () => {
    const verdict = judge(localGuardrail(ID, { patterns: [BLOCK] }), ['write to a@b.org']);
    expect(verdict).toEqual({
      block: { message: 'Content blocked: email pattern detected', details: { pattern: 'email' } },
      findings: [{ kind: 'email', path: 'messages.0.content', action: 'blocked', count: 1 }],
    });
  });

  test('a word, without repeating it', () => {
    const verdict = judge(localGuardrail(ID, { blocked_words: [{ keyword: 'falcon', action: 'BLOCK' }] }), ['The Falcon']);
    expect(verdict).toMatchObject({ block: { message: 'Content blocked: a blocked word was detected' } });
    expect(JSON.stringify(verdict).toLowerCase()).not.toContain('falcon');
  });

  test('a word of a stream only once it is complete', () => {
    const guardrail = localGuardrail(ID, { blocked_words: [{ keyword: 'ass', action: 'BLOCK' }] });
    const partial = { isPartial: true, side: 'answer', mode: 'post_call' } as const;
    expect(judge(guardrail, ['I ass'], partial)).toBeUndefined();
    expect(guardrail.heldBack?.('I ass')).toBe(3);
    expect(judge(guardrail, ['I assume'], partial)).toBeUndefined();
    expect(judge(guardrail, ['an ass.'], partial)).toHaveProperty('block');
    expect(judge(guardrail, ['an ass'])).toHaveProperty('block');
  });
});

describe('categories', () => {
  const category = (file: string, more = {}): object => ({
    categories: [{ category: 'finance', category_file: file, action: 'BLOCK', ...more }],
  });

  test('match keywords from their severity on, unless an exception does', () => {
    const file = fileOf(
      'finance.yaml',
      'keywords:\n- { keyword: insider tip, severity: high }\n- { keyword: hot stock, severity: low }\nexceptions: [history of]\n',
    );
    expect(filtered(category(file), 'An insider tip!')).toBeUndefined();
    expect(filtered(category(file), 'a hot stock')).toBe('a hot stock');
    expect(filtered(category(file, { severity_threshold: 'low' }), 'a hot stock')).toBeUndefined();
    expect(filtered({ ...category(file), severity_threshold: 'low' }, 'a hot stock')).toBeUndefined();
    expect(filtered(category(file), 'the history of the insider tip')).toBe('the history of the insider tip');
    expect(filtered({ patterns: [EMAIL], ...category('none', { enabled: false }) }, 'insider tip')).toBe('insider tip');
  });

  test('match two words in one sentence', () => {
    const file = fileOf('advice.yaml', 'identifier_words: [shares]\nadditional_block_words: [buy]\n');
    expect(filtered(category(file), 'Should I buy these shares?')).toBeUndefined();
    expect(filtered(category(file), 'I buy bread. My sister shares it.')).toBe('I buy bread. My sister shares it.');
  });

  test('take the block words of another file, and phrases', () => {
    fileOf('base.yaml', 'keywords: [{ keyword: harm, severity: high }]\n');
    const file = fileOf(
      'child.yaml',
      'identifier_words: [minor]\ninherit_from: base.yaml\nphrase_patterns: ["how (do|can) i .{0,20}cheat"]\n',
    );
    expect(filtered(category(file), 'harm a minor')).toBeUndefined();
    expect(filtered(category(file), 'How can I always cheat')).toBeUndefined();
    expect(filtered(category(file), 'a minor thing')).toBe('a minor thing');
  });
});

describe('at the start', () => {
  const PATH = 'guardrails[0].litellm_params';

  test.each([
    ['nothing to filter', {}, `${PATH}: must have patterns, blocked_words, blocked_words_file or categories`],
    ['an unknown pattern', { patterns: [{ ...EMAIL, pattern_name: 'emial' }] }, `${PATH}.patterns[0].pattern_name: must be one of`],
    ['an unknown action', { patterns: [{ ...EMAIL, action: 'HIDE' }] }, `${PATH}.patterns[0].action: must be`],
    ['an unknown key', { patterns: [{ ...EMAIL, actoin: 'MASK' }] }, `${PATH}.patterns[0].actoin`],
    [
      'look-around',
      { patterns: [{ pattern_type: 'regex', pattern: '(?=a)b', name: 'x', action: 'MASK' }] },
      `${PATH}.patterns[0].pattern: must be an expression of RE2`,
    ],
    [
      'an expression that matches everything',
      { patterns: [{ pattern_type: 'regex', pattern: 'a*', name: 'x', action: 'MASK' }] },
      `${PATH}.patterns[0].pattern: must not match the empty text`,
    ],
    [
      'a word without letters',
      { blocked_words: [{ keyword: '!', action: 'MASK' }] },
      `${PATH}.blocked_words[0].keyword: must have a letter`,
    ],
    [
      'a category without a file',
      { categories: [{ category: 'bias', action: 'BLOCK' }] },
      `${PATH}.categories[0].category_file: must be the path`,
    ],
    [
      'a category that masks',
      { categories: [{ category: 'bias', category_file: 'x', action: 'MASK' }] },
      `${PATH}.categories[0].action: must be BLOCK`,
    ],
    ['a file that is missing', { blocked_words_file: '/nowhere.yaml' }, '/nowhere.yaml'],
  ])('rejects %s', (_, params, message) => {
    expect(() => localGuardrail(ID, params)).toThrow(message);
  });

  test('rejects masks beside the call', () => {
    expect(() => localGuardrail(ID, { patterns: [EMAIL] }, ['during_call'])).toThrow('must not be during_call with the action MASK');
  });

  test('reads words from a file', () => {
    const file = fileOf('words.yaml', 'blocked_words:\n- { keyword: falcon, action: MASK, description: a project }\n');
    expect(filtered({ blocked_words_file: file }, 'falcon')).toBe('[KEYWORD_REDACTED]');
    expect(() => localGuardrail(ID, { blocked_words_file: fileOf('empty.yaml', 'blocked_words: []\n') })).toThrow(
      'must be a file with a list',
    );
  });
});

test('time does not depend on the text', () => {
  const guardrail = localGuardrail(ID, {
    patterns: ['email', 'credit_card', 'iban', 'ipv6', 'url', 'generic_api_key'].map((pattern_name) => ({ ...EMAIL, pattern_name })),
    blocked_words: [{ keyword: `${'a '.repeat(50)}b`, action: 'MASK' }],
  });
  for (const part of ['a@', '1 ', 'a ', ':', 'https://', 'AB12 ', 'token=', '-----BEGIN '])
    judge(guardrail, [part.repeat(200_000 / part.length)]);
});
