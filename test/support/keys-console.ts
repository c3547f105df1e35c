import {
  ApiKeyService,
  FastLiteLLMDashboardModule,
  FastLiteLLMKeysModule,
  FastLiteLLMSpendModule,
  type ApiKeyStore,
  type ConfiguredApiKey,
  type PostgresStore,
} from 'nestjs-fast-litellm';
import type { TestProvider } from 'nestjs-fast-litellm/testing';
import { GatewayApp, type AdapterName, type RawAnswer } from './gateway-app.js';
import { testProvider } from './llm-client-providers.js';

export const MASTER_KEY = 'sk-master-key-of-the-console';
export const READ_TOKEN = 'read-only-token';
/** A key of this package's form. */
export const SECRET = /sk-[A-Za-z0-9]{12}-[\w-]{43}/;

/** What a `KeysConsole` is started with. */
export interface KeysConsoleOptions {
  readonly store?: ApiKeyStore;
  readonly configured?: readonly ConfiguredApiKey[];
  /** Has a spend log. */
  readonly postgres?: PostgresStore;
}

/** A gateway with API keys and a dashboard, and a session of it. */
export class KeysConsole {
  /** All that the app has logged. */
  readonly lines: string[] = [];
  cookie = '';

  private constructor(
    readonly gateway: GatewayApp,
    readonly provider: TestProvider,
    lines: string[],
  ) {
    this.lines = lines;
  }

  static async start(adapter: AdapterName, { store, configured, postgres }: KeysConsoleOptions): Promise<KeysConsole> {
    const provider = await testProvider('openai', { script: { usage: { promptTokens: 1_000, completionTokens: 100 } } });
    const lines: string[] = [];
    const log = (text: string): void => void lines.push(text);
    const price = { input_cost_per_token: 0.000_01, output_cost_per_token: 0.000_03 };
    const modelList = ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet'].map((name) =>
      provider.deployment(name, { model: 'openai/gpt-4o', ...price }),
    );
    const gateway = await GatewayApp.start(
      adapter,
      {},
      {
        module: { router: { modelList }, rateLimit: { requestsPerMinute: 100_000 }, logger: { log, warn: log, error: log } },
        imports: [
          FastLiteLLMKeysModule.forRoot({ store: postgres ?? store, keys: configured, masterKey: MASTER_KEY }),
          ...(postgres === undefined ? [] : [FastLiteLLMSpendModule.forRoot({ store: postgres, flushMs: 100 })]),
          FastLiteLLMDashboardModule.forRoot({ intervalMs: 250, token: READ_TOKEN }),
        ],
      },
    );
    const console = new KeysConsole(gateway, provider, lines);
    console.cookie = await console.logIn();
    return console;
  }

  get url(): string {
    return `${this.gateway.url}/dashboard`;
  }

  get keys(): ApiKeyService {
    return this.gateway.app.get(ApiKeyService, { strict: false });
  }

  async logIn(token = MASTER_KEY): Promise<string> {
    const { headers } = await this.post('login', { token }, { cookie: '' });
    return String(headers['set-cookie']).split(';', 1)[0];
  }

  get(path: string, cookie = this.cookie): Promise<RawAnswer> {
    return this.gateway.ask(`/dashboard/${path}`, { method: 'GET', headers: { cookie } });
  }

  /** The text of a page, with single spaces. */
  async page(path: string, cookie = this.cookie): Promise<string> {
    return (await this.get(path, cookie)).text.replace(/\s+/g, ' ');
  }

  post(path: string, fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
    return this.gateway.ask(`/dashboard/${path}`, {
      headers: { 'content-type': 'application/x-www-form-urlencoded', cookie: this.cookie, ...headers },
      body: new URLSearchParams(fields).toString(),
    });
  }

  /** Opens the page with a form, fills fields in and sends it, as a browser does. */
  async submit(path: string, action: string, entered: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
    const form = formWith(action, (await this.get(path)).text);
    return this.post(form.action, { ...form.fields, do: action, ...entered });
  }

  async chat(key: string, model = 'gpt-4o'): Promise<number> {
    const messages = [{ role: 'user', content: 'Hello' }];
    return (await this.gateway.post('/v1/chat/completions', { model, messages }, { authorization: `Bearer ${key}` })).status;
  }

  stop(): Promise<void> {
    return this.gateway.stop();
  }
}

/** The form with a button or a hidden field for an action, and what it sends when nothing is changed. */
export function formWith(action: string, page: string): { readonly action: string; readonly fields: Record<string, string> } {
  const forms = page.match(/<form method="post"[\s\S]*?<\/form>/g) ?? [];
  const form = forms.find((each) => each.includes(`name="do" value="${action}"`));
  if (form === undefined) throw new Error(`no form ${action}`);
  const fields: Record<string, string> = {};
  for (const [, attributes] of form.matchAll(/<input\s([^>]*)>/g)) {
    const name = /name="([^"]*)"/.exec(attributes)?.[1];
    if (name !== undefined && name !== 'do') fields[name] = decoded(/value="([^"]*)"/.exec(attributes)?.[1] ?? '');
  }
  for (const [, attributes, text] of form.matchAll(/<textarea\s([^>]*)>\n?([\s\S]*?)<\/textarea>/g))
    fields[/name="([^"]*)"/.exec(attributes)![1]] = decoded(text).replaceAll('\n', '\r\n');
  for (const [, attributes, options] of form.matchAll(/<select\s([^>]*)>([\s\S]*?)<\/select>/g))
    fields[/name="([^"]*)"/.exec(attributes)![1]] = decoded(/value="([^"]*)" selected/.exec(options)?.[1] ?? '');
  return { action: decoded(/action="([^"]*)"/.exec(form)![1]), fields };
}

function decoded(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&amp;': '&' };
  return text.replace(/&(?:lt|gt|quot|#39|amp);/g, (entity) => entities[entity]);
}
