import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A chat template as the files of a model have it. */
export interface ChatTemplateSource {
  readonly template: string;
  readonly bosToken: string;
  readonly eosToken: string;
}

interface TokenizerConfig {
  readonly chat_template?: string | readonly { readonly name?: string; readonly template?: string }[];
  readonly bos_token?: string | { readonly content?: string } | null;
  readonly eos_token?: string | { readonly content?: string } | null;
}

/**
 * Reads `chat_template.jinja` or the template in `tokenizer_config.json`, beside a tokenizer's
 * file; `undefined` if there is none.
 */
export async function readChatTemplate(tokenizerFile: string): Promise<ChatTemplateSource | undefined> {
  const folder = dirname(tokenizerFile);
  const read = (name: string): Promise<string | undefined> => readFile(join(folder, name), 'utf8').catch(() => undefined);
  const [text, template] = await Promise.all([read('tokenizer_config.json'), read('chat_template.jinja')]);
  const config = parsed(text);
  const source = template ?? templateIn(config);
  return source === undefined ? undefined : { template: source, bosToken: tokenOf(config.bos_token), eosToken: tokenOf(config.eos_token) };
}

function parsed(text: string | undefined): TokenizerConfig {
  try {
    return (JSON.parse(text ?? '{}') ?? {}) as TokenizerConfig;
  } catch {
    return {};
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
