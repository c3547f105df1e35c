import { jsonIn } from '../../common/objects.js';
import { dirname, join } from 'node:path';
import { readRegularFileSync } from '../../common/regular-file.js';

/** A chat template as the files of a model have it. */
export interface ChatTemplateSource {
  readonly template: string;
  readonly bosToken: string;
  readonly eosToken: string;
}

/** Beside a tokenizer's file: its chat template, added tokens and more. */
export const TOKENIZER_CONFIG_FILE = 'tokenizer_config.json';
export const CHAT_TEMPLATE_FILE = 'chat_template.jinja';

interface TokenizerConfig {
  readonly chat_template?: string | readonly { readonly name?: string; readonly template?: string }[];
  readonly bos_token?: string | { readonly content?: string } | null;
  readonly eos_token?: string | { readonly content?: string } | null;
}

/**
 * Reads `chat_template.jinja` or the template in `tokenizer_config.json`, beside a tokenizer's
 * file; `undefined` if there is none.
 */
export function readChatTemplate(tokenizerFile: string): ChatTemplateSource | undefined {
  const folder = dirname(tokenizerFile);
  const config = (jsonIn(textOf(join(folder, TOKENIZER_CONFIG_FILE)) ?? '') ?? {}) as TokenizerConfig;
  const source = textOf(join(folder, CHAT_TEMPLATE_FILE)) ?? templateIn(config);
  return source === undefined ? undefined : { template: source, bosToken: tokenOf(config.bos_token), eosToken: tokenOf(config.eos_token) };
}

function textOf(file: string): string | undefined {
  try {
    return readRegularFileSync(file).toString();
  } catch {
    return undefined;
  }
}

/** The one for tools, if there are several. */
function templateIn({ chat_template: given }: TokenizerConfig): string | undefined {
  if (typeof given === 'string') return given;
  if (!Array.isArray(given)) return undefined;
  const named = given as readonly { readonly name?: string; readonly template?: string }[];
  return (named.find(({ name }) => name === 'tool_use') ?? named[0])?.template;
}

function tokenOf(token: TokenizerConfig['bos_token']): string {
  return (typeof token === 'string' ? token : token?.content) ?? '';
}
