import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  FastLiteLLMAdminModule,
  FastLiteLLMDashboardModule,
  FastLiteLLMKeysModule,
  fileConfigurationStore,
  type DashboardOptions,
} from 'nestjs-fast-litellm';
import { GatewayApp, type AdapterName, type RawAnswer } from './gateway-app.js';
import { scripted, testProvider } from './llm-client-providers.js';
import { MemoryKeyStore } from './memory-key-store.js';

export const MASTER_KEY = 'sk-master-key-of-the-console';
/** Text that clients and configurations can choose. */
export const HOSTILE = '<img src=x onerror=alert(1)>"\'';

/** A gateway with a dashboard, whose deployments answer, fail, and cannot be called. */
export class ConsoleApp {
  private constructor(
    readonly gateway: GatewayApp,
    readonly configPath: string,
  ) {}

  /** @param folder of its files */
  static async start(
    adapter: AdapterName,
    options: DashboardOptions = {},
    folder = mkdtempSync(join(tmpdir(), 'console-')),
  ): Promise<ConsoleApp> {
    const [east, west] = [await testProvider('openai', { script: 'Hello.' }), await testProvider('openai', { script: 'Hello.' })];
    let asked = 0;
    // Three of four attempts fail.
    const failing = await scripted((request, response) => {
      request.resume();
      response.setHeader('content-type', 'application/json');
      if (asked++ % 4 !== 0) return void response.writeHead(500).end(JSON.stringify({ error: { message: HOSTILE } }));
      const message = { role: 'assistant', content: 'Hi' };
      response.end(
        JSON.stringify({ id: 'c', object: 'chat.completion', model: 'm', choices: [{ index: 0, message, finish_reason: 'stop' }] }),
      );
    });
    const at = (apiBase: string) => ({ model: 'openai/gpt-4o', api_base: apiBase, api_key: 'sk-provider-secret-key' });
    const price = { input_cost_per_token: 0.00001, output_cost_per_token: 0.00003 };
    const config = {
      model_list: [
        { model_name: 'gpt-4o', litellm_params: { ...at(east.url), ...price }, model_info: { id: 'gpt-4o-east' } },
        { model_name: 'gpt-4o', litellm_params: { ...at(west.url), ...price }, model_info: { id: 'gpt-4o-west' } },
        { model_name: 'claude-sonnet', litellm_params: at(failing), model_info: { id: 'claude-eu' } },
        { model_name: HOSTILE, litellm_params: at(east.url), model_info: { id: `id ${HOSTILE}` } },
        { model_name: 'llama-3', litellm_params: { model: 'groq/llama-3', api_key: 'os.environ/GROQ_KEY_THAT_IS_NOT_SET' } },
      ],
      router_settings: { num_retries: 0, allowed_fails: 10_000 },
    };
    const configPath = join(folder, 'config.yaml');
    writeFileSync(configPath, JSON.stringify(config));
    const gateway = await GatewayApp.start(
      adapter,
      {},
      {
        module: { router: { configPath }, rateLimit: { requestsPerMinute: 100_000 }, monitor: { sampleRate: 1, windowMs: 6_000 } },
        imports: [
          FastLiteLLMKeysModule.forRoot({ store: new MemoryKeyStore(), masterKey: MASTER_KEY }),
          FastLiteLLMAdminModule.forRoot({
            store: fileConfigurationStore(join(folder, 'configuration.json')),
            saltKey: 'the salt key of the console',
            allowedAddresses: ['127.0.0.1'],
          }),
          FastLiteLLMDashboardModule.forRoot({ intervalMs: 250, ...options }),
        ],
      },
    );
    return new ConsoleApp(gateway, configPath);
  }

  get url(): string {
    return `${this.gateway.url}/dashboard`;
  }

  /** Sends a chat request; returns its status. */
  async chat(model: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
    const messages = [{ role: 'user', content: 'Hello' }];
    const authorization = `Bearer ${MASTER_KEY}`;
    return (await this.gateway.post('/v1/chat/completions', { model, messages }, { authorization, ...headers })).status;
  }

  /** Calls of each kind: 16 succeed, and three of four of `claude-sonnet` fail. */
  async exercise(): Promise<void> {
    // Calls are recorded from the first visit on.
    await this.logIn();
    for (let at = 0; at < 12; at++) await Promise.all([this.chat('gpt-4o'), this.chat('claude-sonnet')]);
    for (let at = 0; at < 4; at++) await this.chat(HOSTILE, { 'x-litellm-end-user-id': HOSTILE, 'x-litellm-tags': HOSTILE });
    await this.chat(`no such model ${HOSTILE}`);
  }

  /** Logs in; returns the cookie. */
  async logIn(token = MASTER_KEY): Promise<string> {
    const { headers } = await this.post('login', { token });
    return String(headers['set-cookie']).split(';', 1)[0];
  }

  /** The text of a page. */
  async page(path: string, cookie: string): Promise<string> {
    return (await this.gateway.ask(`/dashboard${path === '' ? '' : `/${path}`}`, { method: 'GET', headers: { cookie } })).text;
  }

  /** Posts a form. */
  post(path: string, fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}): Promise<RawAnswer> {
    return this.gateway.ask(`/dashboard/${path}`, {
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(fields).toString(),
    });
  }

  stop(): Promise<void> {
    return this.gateway.stop();
  }
}
