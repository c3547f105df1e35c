import type { ModelListEntry } from '../../../lib/router/deployments/deployment.js';
import type { ProviderProtocol, ScriptedAnswer as KitAnswer } from 'nestjs-fast-litellm/testing';
import { testProvider } from '../llm-client-providers.js';

export type Fields = Readonly<Record<string, unknown>>;

/** An answer in no protocol's words. */
export interface ScriptedAnswer {
  readonly text?: string;
  /** Signed where the protocol signs thinking. */
  readonly thinking?: string;
  readonly calls?: readonly { readonly name: string; readonly input: Fields }[];
  /** The model's limit of tokens was reached. */
  readonly isCut?: boolean;
  /** In place of an answer. */
  readonly status?: number;
}

/** Tokens of each scripted answer. */
export const SCRIPTED_USAGE = { input: 1200, cached: 1000, output: 34 } as const;

/** A wire protocol as its provider would speak it, strictly. */
export interface ScriptedProtocol {
  readonly name: ProviderProtocol;
  /** Of the deployment. */
  params(origin: string): Fields & { readonly model: string };
  /** What the provider would refuse a request for. */
  faultsIn(body: Fields): readonly string[];
}

/** A provider of the testing kit that answers as its script says, and refuses what the real one would. */
export class ScriptedProvider {
  /** The requests' bodies. */
  readonly asked: Fields[] = [];
  /** Why it refused requests. */
  readonly faults: string[] = [];

  private constructor(
    readonly protocol: ScriptedProtocol,
    private readonly answer: (index: number, body: Fields) => ScriptedAnswer,
  ) {}

  /** @param answer to the request of this number, from 0 */
  static async start(
    protocol: ScriptedProtocol,
    answer: (index: number, body: Fields) => ScriptedAnswer,
  ): Promise<[ScriptedProvider, string]> {
    const strict = new ScriptedProvider(protocol, answer);
    const { url } = await testProvider(protocol.name, { script: ({ body }) => strict.answerTo(body) });
    return [strict, url];
  }

  /** A deployment of `group` at a provider that listens at `origin`. */
  deployment(group: string, origin: string): ModelListEntry {
    const { name } = this.protocol;
    return { model_name: group, litellm_params: { ...this.protocol.params(origin) }, model_info: { id: `${group}-${name}` } };
  }

  private answerTo(body: Fields): KitAnswer {
    const { protocol, asked, faults } = this;
    asked.push(body);
    const { text, thinking, calls = [], isCut = false, status } = this.answer(asked.length - 1, body);
    const found = status === undefined ? protocol.faultsIn(body) : [];
    faults.push(...found.map((fault) => `${protocol.name}: ${fault}`));
    if (found.length > 0) return { status: 400, message: found.join('; ') };
    const { input, cached, output } = SCRIPTED_USAGE;
    const isGemini = protocol.name === 'gemini';
    return {
      status,
      message: 'scripted',
      text: text ?? (calls.length > 0 ? undefined : ''),
      // OpenAI's chat shows none.
      thinking: protocol.name === 'openai' ? undefined : thinking,
      toolCalls: calls.map(({ name, input: given }) => ({ name, arguments: given })),
      finishReason: isCut ? 'length' : undefined,
      usage: { promptTokens: input, completionTokens: output, cacheReadTokens: cached, reasoningTokens: isGemini ? 10 : 0 },
      chunkLength: 4,
    };
  }
}

export function listIn(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? (value as Fields[]) : [];
}
