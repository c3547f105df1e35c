import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Dialect } from '../../lib/providers/openai/dialect.js';
import { isChatParameter } from '../../lib/providers/parameters.js';
import { keyVariables, SPOKEN, type ProviderRow } from '../../lib/providers/endpoint/provider-table.environment.js';
import { tableAfter } from './readme-document.js';
import { root } from './sources.js';

// UPDATE_PROVIDERS=1 writes the table into docs/providers.md; run prettier on it afterwards.

const PATH = join(root, 'docs/providers.md');
const MARKER = '<!-- providers -->';
const HEAD = ['prefix', 'protocol', 'address', 'key', "differences from OpenAI's chat"];
/** OpenAI's parameters that the table names if a provider lacks them. */
const NOTABLE =
  `audio frequency_penalty functions logit_bias logprobs modalities n parallel_tool_calls prediction presence_penalty reasoning_effort
  response_format seed stop thinking tool_choice tools top_logprobs top_p verbosity web_search_options`.split(/\s+/);

const code = (text: string): string => `\`${text}\``;

/** Addresses that depend on an account, and credentials that are not API keys. */
const BY_ACCOUNT: Readonly<Record<string, readonly [address: string, key: string]>> = {
  vertex_ai: ['from `vertex_project` and `vertex_location`', "Google's credentials"],
  vertex_ai_beta: ['from `vertex_project` and `vertex_location`', "Google's credentials"],
};

function addressOf({ base, suffixes, hosts }: ProviderRow): string {
  if (hosts !== undefined) return 'by region';
  if (base !== undefined) return code(base.replace(/^https:\/\//, ''));
  return suffixes === undefined ? '`api_base`' : `\`api_base\`: ${suffixes.map((suffix) => code(`*${suffix}`)).join(', ')}`;
}

function keyOf(name: string, row: ProviderRow): string {
  const names = [...keyVariables(name), ...(row.tokens ?? [])].map(code).join(', ');
  return row.keyOptional === true ? `${names} (optional)` : names;
}

function differences({
  renamed = {},
  only,
  lacks,
  values = {},
  bounds = {},
  messages = {},
  tools = {},
  answers,
  models,
  ...more
}: Dialect): string {
  const missing = NOTABLE.filter((name) => lacks?.has(name) === true || (only !== undefined && isChatParameter(name) && !only.has(name)));
  const { finish = {} } = answers ?? {};
  const parts = [
    ...Object.entries(renamed).map(([from, to]) => `${code(from)} → ${code(to)}`),
    missing.length > 0 && `no ${missing.map(code).join(', ')}`,
    ...Object.entries(values).flatMap(([name, map]) =>
      Object.entries(map).map(([from, to]) => `${code(`${name}: ${from}`)} → ${code(String(to))}`),
    ),
    ...Object.entries(more.accepts ?? {}).map(([name, accepted]) => `${code(name)} only ${accepted.join(' or ')}`),
    ...Object.entries(bounds).map(([name, [least, most]]) => `${code(name)} from ${least} to ${most}`),
    more.switchesThinking === true && 'thinking on or off, no budget',
    more.requiredTool !== undefined && '`tool_choice: required` → a message',
    messages.named !== undefined && `\`name\` only in ${messages.named.join(', ')} messages`,
    messages.strings !== undefined &&
      (messages.strings.length === 1 ? `text parts of ${messages.strings[0]} messages → a string` : 'text parts → a string'),
    messages.dropsEmpty === true && 'no empty assistant messages',
    messages.cacheMarks !== undefined && `\`cache_control\` kept${messages.cacheMarks === true ? '' : ' for some models'}`,
    messages.needsReasoning !== undefined && `\`reasoning_content\` ${messages.needsReasoning}`,
    tools.lacksStrict === true && 'no `strict`',
    tools.schemaLacks !== undefined && `no ${tools.schemaLacks.map(code).join(', ')} in schemas`,
    tools.functionsOnly === true && 'only function tools',
    ...Object.entries(finish).map(
      ([from, to]) => `${from === '' ? 'empty `finish_reason`' : code(`finish_reason: ${from}`)} → ${code(to)}`,
    ),
    answers?.reasoning === true && '`reasoning` → `reasoning_content`',
    answers?.parts === true && 'content parts of answers → text',
    answers?.usageInContent === true && 'usage → a separate event',
    answers?.reasoningApart === true && 'reasoning tokens added to the completion',
    models !== undefined && 'more for some models',
  ];
  return parts.filter((part) => part !== false).join('; ');
}

function rows(): string[][] {
  return Object.entries(SPOKEN).map(([name, row]) => {
    const { protocol = 'openai', dialect } = row;
    const [address, key] = BY_ACCOUNT[name] ?? [addressOf(row), keyOf(name, row)];
    return [code(`${name}/`), protocol, address, key, dialect === undefined ? '' : differences(dialect)];
  });
}

it('docs/providers.md has the rows of the provider table', () => {
  const text = readFileSync(PATH, 'utf8');
  if (process.env.UPDATE_PROVIDERS === '1') {
    const table = [HEAD, HEAD.map(() => '---'), ...rows()].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
    writeFileSync(PATH, `${text.slice(0, text.indexOf(MARKER))}${MARKER}\n\n${table}\n`);
    return;
  }
  expect(tableAfter(text, MARKER).map((cells) => cells.map((cell) => cell.trim()))).toEqual(rows());
});
