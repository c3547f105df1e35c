import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as send, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SampleGateway } from './sample-gateway.js';

const outer = { ...process.env };
const folder = mkdtempSync(join(tmpdir(), 'sample-access-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
let gateway: SampleGateway;
let files = 0;

/** The variables of the sample app, until they are set anew. */
export function setEnvironment(env: Readonly<Record<string, string>>): void {
  for (const name of Object.keys(process.env)) if (!(name in outer)) delete process.env[name];
  Object.assign(process.env, outer, env);
}

/** A `config.yaml` with one deployment and these `general_settings`. */
export const config = (general: string, more = ''): string => {
  const path = join(folder, `config-${files++}.yaml`);
  const model =
    "{ model_name: gpt-4o, litellm_params: { model: openai/gpt-4o, api_base: 'http://127.0.0.1:9/v1', api_key: sk-provider-secret } }";
  writeFileSync(path, `model_list:\n- ${model}\n${general === '' ? '' : `general_settings: ${general}\n`}${more}`);
  return path;
};

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** With headers as no `fetch` would send them. */
export function ask(
  path: string,
  { method = 'GET', headers = {}, body }: { method?: string; headers?: Record<string, string>; body?: string | Buffer } = {},
): Promise<Answer> {
  const { port } = gateway.app.getHttpServer().address() as AddressInfo;
  return new Promise<Answer>((resolve, reject) => {
    const sent = send({ host: '127.0.0.1', port, path, method, headers, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

export const COUNT = JSON.stringify({ model: 'gpt-4o', input: 'Hello' });
export const json = { 'content-type': 'application/json' };
export const count = (headers: Record<string, string> = {}, body: string | Buffer = COUNT): Promise<Answer> =>
  ask('/v1/tokens/count', { method: 'POST', headers: { ...json, ...headers }, body });
export const error = ({ text }: Answer): { readonly message: string; readonly type: string; readonly code: string | null } =>
  (JSON.parse(text) as { error: { message: string; type: string; code: string | null } }).error;

/** The sample gateway for the tests of one `describe`, started with these variables. */
export function gatewayWith(env: Readonly<Record<string, string>> | (() => Readonly<Record<string, string>>)): void {
  beforeAll(async () => {
    setEnvironment(typeof env === 'function' ? env() : env);
    gateway = await SampleGateway.start();
  });
  afterAll(async () => {
    await gateway.stop();
    setEnvironment({});
  });
}

/** Where it listens. */
export function addressOf(): { readonly url: string; readonly port: number } {
  return { url: gateway.url, port: (gateway.app.getHttpServer().address() as AddressInfo).port };
}
