import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ModelListEntry } from '../../../lib/router/deployments/deployment.js';
import { scripted } from '../llm-client-providers.js';

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

/** What is sent for an answer. */
export interface Rendered {
  readonly type: string;
  readonly body: string | Buffer;
}

/** A wire protocol as its provider would speak it, strictly. */
export interface ScriptedProtocol {
  readonly name: string;
  /** Of the deployment. */
  params(origin: string): Fields & { readonly model: string };
  isStream(path: string, body: Fields): boolean;
  whole(answer: ScriptedAnswer, nextId: () => string): object;
  stream(answer: ScriptedAnswer, nextId: () => string): Rendered;
  /** What the provider would refuse a request for. */
  faultsIn(body: Fields): readonly string[];
  error(status: number, message: string): object;
}

/** A provider that answers as its script says, and refuses what the real one would. */
export class ScriptedProvider {
  /** The requests' bodies. */
  readonly asked: Fields[] = [];
  /** Why it refused requests. */
  readonly faults: string[] = [];
  private ids = 0;

  private constructor(
    readonly protocol: ScriptedProtocol,
    private readonly answer: (index: number, body: Fields) => ScriptedAnswer,
  ) {}

  /** @param answer to the request of this number, from 0 */
  static async start(
    protocol: ScriptedProtocol,
    answer: (index: number, body: Fields) => ScriptedAnswer,
  ): Promise<[ScriptedProvider, string]> {
    const provider = new ScriptedProvider(protocol, answer);
    const base = await scripted((request, response) => void provider.serve(request, response));
    return [provider, base.replace(/\/v1$/, '')];
  }

  /** A deployment of `group` at a provider that listens at `origin`. */
  deployment(group: string, origin: string): ModelListEntry {
    const { name } = this.protocol;
    return { model_name: group, litellm_params: { ...this.protocol.params(origin) }, model_info: { id: `${group}-${name}` } };
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = JSON.parse(Buffer.concat(chunks).toString()) as Fields;
    const { protocol, asked, faults } = this;
    asked.push(body);
    const answer = this.answer(asked.length - 1, body);
    const found = answer.status === undefined ? protocol.faultsIn(body) : [];
    faults.push(...found.map((fault) => `${protocol.name}: ${fault}`));
    const status = answer.status ?? (found.length > 0 ? 400 : 200);
    const nextId = (): string => `${protocol.name}${(this.ids++).toString().padStart(8, '0')}`;
    const json = (value: object): void =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    if (status !== 200) return json(protocol.error(status, found.join('; ') || 'scripted'));
    if (!protocol.isStream(request.url as string, body)) return json(protocol.whole(answer, nextId));
    const { type, body: sent } = protocol.stream(answer, nextId);
    response.writeHead(200, { 'content-type': type }).end(sent);
  }
}

/** Pieces of a text, as streams have them. */
export function pieces(text: string, length = 4): string[] {
  return text.match(new RegExp(`[^]{1,${length}}`, 'gu')) ?? [];
}

export function listIn(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? (value as Fields[]) : [];
}
