import type { IncomingMessage, ServerResponse } from 'node:http';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { HELLO, scripted, stopProviders } from '../../support/llm-client-providers.js';

let mockToken: () => Promise<string>;
let mockCount = 0;
jest.mock('@azure/identity', () => ({
  ClientSecretCredential: class {
    async getToken(): Promise<object> {
      mockCount++;
      return { token: await mockToken(), expiresOnTimestamp: Date.now() + 3_600_000 };
    }
  },
}));

const ANSWER = JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }] });
const warned: string[] = [];
const logger = { log: () => {}, warn: (line: string) => void warned.push(line), error: () => {} };
const opened: FastLiteLLM[] = [];

interface Started {
  readonly llm: FastLiteLLM;
  /** The tokens that arrived. */
  readonly seen: string[];
}

interface Settings {
  readonly attemptTimeoutMs?: number;
  readonly disableCooldowns?: boolean;
}

async function start(client: string, accepts: (token: string) => boolean, settings: Settings = {}): Promise<Started> {
  const { attemptTimeoutMs, disableCooldowns } = settings;
  const seen: string[] = [];
  const api_base = await scripted((request: IncomingMessage, response: ServerResponse) => {
    const token = String(request.headers.authorization).replace('Bearer ', '');
    seen.push(token);
    request.resume();
    response.writeHead(accepts(token) ? 200 : 401, { 'content-type': 'application/json' });
    response.end(accepts(token) ? ANSWER : JSON.stringify({ error: { message: `the token ${token} has expired`, code: '401' } }));
  });
  const identity = { tenant_id: 't', client_id: client, client_secret: 'secret-of-entra' };
  const modelList = [{ model_name: 'm', litellm_params: { model: 'azure/gpt-4o', api_base, ...identity } }];
  const llm = new FastLiteLLM({ router: { modelList, numRetries: 0, disableCooldowns }, llmClient: { attemptTimeoutMs }, logger });
  opened.push(llm);
  return { llm, seen };
}

const chat = ({ llm }: Started): Promise<unknown> => llm.client.chat({ model: 'm', messages: [...HELLO] });

beforeEach(() => (mockCount = 0));
afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all(opened.splice(0).map((llm) => llm.close()));
  await stopProviders();
});

describe('a call with a token of Entra ID', () => {
  it('fetches one token for all calls at once', async () => {
    mockToken = () => Promise.resolve('token-1');
    const started = await start('all-at-once', () => true);
    await Promise.all(Array.from({ length: 8 }, () => chat(started)));
    expect(started.seen).toEqual(Array(8).fill('token-1'));
    expect(mockCount).toBe(1);
  });

  it('is sent again with a new token after a 401, once', async () => {
    mockToken = () => Promise.resolve(`token-${mockCount}`);
    let now = Date.now();
    jest.spyOn(Date, 'now').mockImplementation(() => now);
    const started = await start('renewed', (token) => token !== 'token-1', { disableCooldowns: true });
    await expect(chat(started)).rejects.toMatchObject({ kind: 'authentication' });
    now += 60_000;
    await chat(started);
    expect(started.seen).toEqual(['token-1', 'token-1', 'token-1', 'token-2']);
    expect(mockCount).toBe(2);
  });

  it('shows no token in the error of a provider that repeats it', async () => {
    mockToken = () => Promise.resolve('token-that-is-repeated');
    const error = await chat(await start('repeated', () => false)).catch((thrown: Error) => thrown);
    expect(((error as Error).cause as Error).message).toBe('the token *** has expired');
    expect((error as Error).message).not.toContain('token');
  });

  it('ends in time although no token arrives', async () => {
    mockToken = () => new Promise(() => {});
    await expect(chat(await start('no-token', () => true, { attemptTimeoutMs: 50 }))).rejects.toMatchObject({ kind: 'timeout' });
  });

  it('fails as at its provider while Entra is out', async () => {
    const named = { name: 'AuthenticationRequiredError' };
    mockToken = () => Promise.reject(Object.assign(new Error('network_error: See https://aka.ms/msal.js.errors'), named));
    const message = 'The credential service for azure failed.';
    await expect(chat(await start('out', () => true))).rejects.toMatchObject({ name: 'ProviderError', kind: 'server', message });
    mockToken = () => Promise.reject(Object.assign(new Error('no route to secret-of-entra'), { code: 'ENOTFOUND' }));
    await expect(chat(await start('unreachable', () => true))).rejects.toMatchObject({
      name: 'ProviderError',
      kind: 'connection',
      message,
    });
  });

  it.each([
    ['by a status', Object.assign(new Error('wrong secret-of-entra'), { name: 'AuthenticationError', statusCode: 401 })],
    // As @azure/identity 4.13 passes MSAL's errors on.
    ['by a word', Object.assign(new Error('invalid_client: 7000215 - secret-of-entra'), { name: 'AuthenticationRequiredError' })],
  ])('blames the operator where Entra refuses the identity %s', async (how, refusal) => {
    mockToken = () => Promise.reject(refusal);
    const error = await chat(await start(`refused ${how}`, () => true)).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'DEPLOYMENT_MISCONFIGURED' });
    expect(warned.findLast((line) => line.startsWith('Router: '))).toMatch(
      /in cooldown for 5 s \(litellm_params.client_secret: Microsoft Entra ID did not issue a token .*; correct tenant_id/,
    );
    expect(warned.join()).not.toContain('secret-of-entra');
    expect(`${String((error as Error).cause)} ${(error as Error).message}`).toContain('Microsoft Entra ID did not issue a token');
    expect(`${String((error as Error).cause)} ${(error as Error).message}`).not.toContain('secret-of-entra');
  });
});
