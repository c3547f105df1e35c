import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { ModelListEntry } from '../router/deployments/deployment.js';
import { Delivery } from './delivery.js';
import { ANTHROPIC } from './protocols/anthropic.js';
import { BEDROCK } from './protocols/bedrock.js';
import { GEMINI } from './protocols/gemini.js';
import { OPENAI } from './protocols/openai.js';
import type { WireProtocol } from './protocols/wire-protocol.js';
import { ReceivedRequest } from './received-request.js';
import { replyTo } from './reply.js';
import { ScriptReader, type ProviderScript } from './script.js';

/**
 * A wire protocol: OpenAI's API (chat, Responses, completions, embeddings, images, audio, files,
 * …), Anthropic's Messages, Gemini's generateContent, or Bedrock's Converse.
 */
export type ProviderProtocol = 'openai' | 'anthropic' | 'gemini' | 'bedrock';

/** Options of `startProvider`. */
export interface StartProviderOptions {
  /** How the provider answers. Default: with the text `Hello from <name>.`. */
  readonly script?: ProviderScript;
  /**
   * Whether a list of answers starts again after the last one. Default false: the last one repeats.
   */
  readonly cycle?: boolean;
  /** Part of the ids of its deployments. Default: the protocol and a number, `openai-1`. */
  readonly name?: string;
  /** Default 0: any free port. */
  readonly port?: number;
}

const PROTOCOLS: Readonly<Record<ProviderProtocol, WireProtocol>> = {
  openai: OPENAI,
  anthropic: ANTHROPIC,
  gemini: GEMINI,
  bedrock: BEDROCK,
};
const KEEP_ALIVE_MS = 60_000;
const started: Partial<Record<ProviderProtocol, number>> = {};

/**
 * A provider on loopback that speaks a real protocol over real sockets, answers according to its
 * script and records the requests that it receives. Created by `startProvider`.
 */
export class TestProvider {
  /** The requests received, in order. */
  readonly requests: ReceivedRequest[] = [];
  /** Answers in flight. */
  inFlight = 0;
  /** Answers whose connection was closed early, by the client or by a fault. */
  aborted = 0;

  private readonly sockets = new Set<Socket>();
  private readonly server: Server;
  private reader: ScriptReader;
  private ids = 0;
  private listening = 0;

  private constructor(
    readonly protocol: ProviderProtocol,
    readonly name: string,
    { script = {}, cycle = false }: StartProviderOptions,
  ) {
    this.reader = new ScriptReader(script, cycle);
    this.server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => void this.serve(request, response));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  /** @internal */
  static async start(protocol: ProviderProtocol, options: StartProviderOptions): Promise<TestProvider> {
    if (!Object.hasOwn(PROTOCOLS, protocol)) throw new TypeError(`protocol: must be one of ${Object.keys(PROTOCOLS).join(', ')}`);
    const number = (started[protocol] = (started[protocol] ?? 0) + 1);
    const provider = new TestProvider(protocol, options.name ?? `${protocol}-${number}`, options);
    await new Promise<void>((resolve, reject) => {
      provider.server.once('error', reject);
      provider.server.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    provider.listening = (provider.server.address() as AddressInfo).port;
    return provider;
  }

  /** The port that it listens on. */
  get port(): number {
    return this.listening;
  }

  /** Its origin: `http://127.0.0.1:40123`. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The `api_base` of its deployments: `url` plus the path of the protocol. */
  get apiBase(): string {
    return String(PROTOCOLS[this.protocol].params(this.url).api_base);
  }

  /**
   * The latest request.
   * @throws Error if there was none
   */
  get latest(): ReceivedRequest {
    const latest = this.requests.at(-1);
    if (latest === undefined) throw new Error(`the provider ${this.name} has received no request`);
    return latest;
  }

  /** Open connections. */
  get connections(): number {
    return this.sockets.size;
  }

  /**
   * Returns an entry of `model_list` that calls this provider; its id is `<name>/<group>`.
   *
   * @param group `model_name`.
   * @param params `litellm_params` in addition to address and key: `model`, `rpm`, …
   * @param info `model_info` in addition to the id.
   */
  deployment(group: string, params: Readonly<Record<string, unknown>> = {}, info: Readonly<Record<string, unknown>> = {}): ModelListEntry {
    return {
      model_name: group,
      litellm_params: { ...PROTOCOLS[this.protocol].params(this.url), ...params },
      model_info: { id: `${this.name}/${group}`, ...info },
    };
  }

  /** Uses another script from the next request on. Without an argument, restores the default. */
  use(script: ProviderScript = {}, { cycle = false }: { readonly cycle?: boolean } = {}): void {
    this.reader = new ScriptReader(script, cycle);
  }

  /** Stops at once and aborts answers in flight. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  /** `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.inFlight++;
    response.once('close', () => {
      this.inFlight--;
      if (!response.writableFinished) this.aborted++;
    });
    // A client that disconnects is not a failure of this server.
    response.on('error', () => {});
    incoming.on('error', () => {});
    try {
      const request = await ReceivedRequest.read(incoming);
      this.requests.push(request);
      await this.answer(request, response);
    } catch (error) {
      this.failed(response, error as Error);
    }
  }

  /** A script that throws is a mistake in the test: a 400, which is not retried, has its words. */
  private failed(response: ServerResponse, { message }: Error): void {
    if (response.headersSent || response.destroyed) return void response.destroy();
    const facts = { status: 400, message: `The script threw: ${message}`, code: undefined, reason: undefined };
    response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify(PROTOCOLS[this.protocol].error(facts).body));
  }

  private async answer(request: ReceivedRequest, response: ServerResponse): Promise<void> {
    const protocol = PROTOCOLS[this.protocol];
    const scripted = await this.reader.answerTo(request);
    const context = { name: this.name, nextId: () => ++this.ids };
    const delivery = new Delivery(protocol, request, scripted, response);
    await delivery.send(() => protocol.answer(request, replyTo(request, scripted, context)));
  }
}

/**
 * Starts a provider on loopback for tests: real sockets, a real protocol, scripted answers and
 * faults. Close it after the test.
 *
 * @throws TypeError for an unknown protocol; the server's error if `port` is taken.
 * @example
 * const provider = await startProvider('anthropic', { script: [{ status: 429, retryAfter: 1 }, 'Hello!'] });
 * const llm = new FastLiteLLM({ router: { modelList: [provider.deployment('claude')] } });
 * await llm.client.chat({ model: 'claude', messages: [{ role: 'user', content: 'Hi' }] });
 * await provider.close();
 */
export function startProvider(protocol: ProviderProtocol, options: StartProviderOptions = {}): Promise<TestProvider> {
  return TestProvider.start(protocol, options);
}
