import { Test } from '@nestjs/testing';
import { FastLiteLLM, FastLiteLLMModule, type ModelListEntry, type RouterOptions } from 'nestjs-fast-litellm';
import type { LocalProvider } from '../../support/local-provider/local-provider.js';
import { HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { untilMinuteLasts } from '../../support/until.js';
import { BROKEN, broken, entry, IDS, withoutKeys, working as workingAt } from './uncallable-deployments.js';

let working: LocalProvider;
let giveKeysBack: () => void;

// Failures are counted per minute.
beforeEach(untilMinuteLasts);
beforeAll(async () => {
  giveKeysBack = withoutKeys();
  working = await provider('working');
});
afterAll(async () => {
  await stopProviders();
  giveKeysBack();
});

const good = (id = 'working', group = 'chat'): ModelListEntry => workingAt(working.apiBase, id, group);

describe('an app with deployments that cannot be called', () => {
  const opened: FastLiteLLM[] = [];
  const messages: string[] = [];
  const logger = { log: () => {}, warn: (message: string) => messages.push(message), error: (message: string) => messages.push(message) };

  async function boot(router: RouterOptions): Promise<FastLiteLLM> {
    const testing = await Test.createTestingModule({
      imports: [FastLiteLLMModule.forRoot({ router, logger, metrics: false })],
    }).compile();
    const llm = testing.get(FastLiteLLM);
    opened.push(llm);
    return llm;
  }

  beforeEach(() => void messages.splice(0));
  afterAll(async () => void (await Promise.all(opened.map((llm) => llm.close()))));

  it('starts, and logs all of them in one message without secrets', async () => {
    await boot({ modelList: [...broken, good()] });
    expect(messages).toHaveLength(2);
    const [params, found] = messages;
    expect(params).toContain('LiteLLM parameters without effect: s3_bucket_name');
    expect(found).toContain('Router: 15 of 16 deployments cannot be called and get no requests:');
    const lines = found.split('\n').slice(1);
    expect(lines.map((line) => line.trim().split(':', 1)[0])).toEqual(IDS);
    for (const [at, id] of IDS.entries()) expect(lines[at]).toMatch(BROKEN[id][1]);
    expect(messages.join()).not.toContain('sk-secret');
  });

  it('names at most twenty of them', async () => {
    const many = Array.from({ length: 50 }, (_, at) => entry({ model: `sagemaker/m${at}` }, `b${at}`, `g${at}`));
    await boot({ modelList: [...many, good()] });
    expect(messages).toHaveLength(1);
    expect(messages[0].split('\n')).toHaveLength(22);
    expect(messages[0]).toContain('and 30 more');
  });

  it('selects none of them, for calls, fallbacks or health checks', async () => {
    const probed: string[] = [];
    const probe = async ({ id }: { readonly id: string }): Promise<boolean> => probed.push(id) > 0;
    const router = {
      modelList: [...broken, good(), entry(BROKEN.keyless[0], 'lonely', 'lonely')],
      fallbacks: [{ lonely: ['chat'] }],
      healthChecks: { probe, intervalMs: 60_000 },
    };
    const llm = await boot(router);
    for (let i = 0; i < 200; i++) {
      const pick = llm.router.acquire('chat');
      expect(pick.deployment.id).toBe('working');
      llm.router.cancelled(pick);
    }
    const answer = await llm.client.chat({ model: 'lonely', messages: [...HELLO] });
    expect(answer.call).toMatchObject({ deploymentId: 'working', failures: [] });
    expect(probed).toEqual(['working']);
    expect(llm.router.healthyCount('chat')).toBe(1);
  });

  it('shows them in status, explain, health and metrics, with reason and advice', async () => {
    const llm = await boot({ modelList: [...broken, good()] });
    const states = llm.router.status();
    for (const id of IDS) {
      const state = states.find((each) => each.id === id);
      expect(state).toMatchObject({ state: 'uncallable', uncallable: { reason: expect.stringMatching(BROKEN[id][1]) as string } });
    }
    const explained = llm.router.explain('chat').deployments;
    expect(explained.filter(({ reason }) => reason === 'uncallable').map(({ id }) => id)).toEqual(IDS);
    expect(explained.at(-1)).toMatchObject({ id: 'working', eligible: true });
    const health = llm.healthCheck();
    expect(health.components.routing).toMatchObject({ status: 'degraded', deployments: 16, available: 1, uncallable: 15 });
    expect(health.components.routing.reason).toContain('15 of 16 deployments cannot be called: bedrock (');
    const gauge = llm.metrics().find(({ name, labels }) => name === 'router_deployments' && labels?.state === 'uncallable');
    expect(gauge?.value).toBe(15);
    expect(JSON.stringify([states, explained, health])).not.toContain('sk-secret');
  });

  it('offers no model without a callable deployment: group, pattern or alias', async () => {
    const llm = await boot({
      modelList: [
        good(),
        entry(BROKEN.keyless[0], 'k', 'lonely'),
        entry({ model: 'groq/*' }, 'w', 'groq/*'),
        entry({ model: 'vertex_ai/*' }, 'v', 'vertex/*'),
      ],
      modelGroupAlias: { alias: 'lonely', other: 'chat' },
    });
    expect(llm.router.models()).toEqual(['chat', 'other']);
    expect(() => llm.router.acquire('lonely')).toThrow(expect.objectContaining({ code: 'DEPLOYMENT_MISCONFIGURED', deploymentIds: ['k'] }));
    expect(() => llm.router.acquire('groq/x')).toThrow(expect.objectContaining({ code: 'DEPLOYMENT_MISCONFIGURED' }));
  });

  it('does not start with strict, and names all of them', async () => {
    const starting = boot({ modelList: [...broken, good()], strict: true });
    await expect(starting).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION', path: 'router.modelList' });
    const error = (await starting.catch((thrown: unknown) => thrown)) as Error;
    for (const id of IDS) expect(error.message).toContain(`${id}: `);
    expect(error.message).not.toContain('sk-secret');
    const strict = await boot({ modelList: [good()], strict: true });
    expect(() => strict.router.addDeployment(broken[0])).toThrow('cannot be called');
    expect(() => strict.router.setModelList([good(), ...broken])).toThrow('cannot be called');
    expect(strict.router.deployments().map(({ id }) => id)).toEqual(['working']);
  });

  it('checks deployments that are added, changed or set later', async () => {
    const llm = await boot({ modelList: [good()] });
    expect(messages).toEqual([]);
    expect(llm.router.addDeployment(broken[0]).uncallable?.reason).toMatch(BROKEN.bedrock[1]);
    expect(messages).toEqual([expect.stringContaining('1 of 1 deployments cannot be called')]);
    llm.router.updateSettings({ numRetries: 1 });
    expect(llm.router.status().map(({ state }) => state)).toEqual(['available', 'uncallable']);
    const mended = llm.router.updateDeployment('bedrock', { litellm_params: { model: 'openai/gpt-oss', api_base: working.apiBase } });
    expect(mended?.uncallable).toBeUndefined();
    llm.router.setModelList(broken);
    expect(llm.router.models()).toEqual([]);
    expect(llm.healthCheck().components.routing).toMatchObject({ status: 'degraded', available: 0 });
    await expect(llm.client.chat({ model: 'chat', messages: [...HELLO] })).rejects.toMatchObject({ code: 'DEPLOYMENT_MISCONFIGURED' });
  });

  it('accepts deployments that the app calls itself, unless a variable is not set or not replaced', async () => {
    const ids = async (calledByApp: RouterOptions['calledByApp']): Promise<string[]> =>
      (await boot({ modelList: [...broken, good()], calledByApp })).router
        .deployments()
        .flatMap(({ id, uncallable }) => (uncallable ? [] : [id]));
    expect(await ids(['bedrock', 'anthropik'])).toEqual(['bedrock', 'typo', 'working']);
    expect(await ids(true)).toEqual([...IDS.filter((id) => !/^(?:unset|shell)-/.test(id)), 'working']);
    expect(await ids(false)).toEqual(['working']);
    const llm = await boot({ modelList: broken, calledByApp: ['bedrock'] });
    const region = await llm.client.execute('chat', async ({ params }) => params.aws_region_name);
    expect(region).toBe('us-east-1');
  });

  it.each([{ strict: 'yes' }, { calledByApp: 'bedrock' }, { calledByApp: [7] }])('rejects the options %j', async (options) => {
    await expect(boot({ modelList: [good()], ...(options as object) })).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' });
  });

  it('logs once which parameters are sent and which are not', async () => {
    const more = { min_p: 0.1, repetition_penalty: 1.1, cache: { type: 'redis' }, callbacks: ['langfuse'], drop_params: true };
    const llm = await boot({
      modelList: ['a', 'b', 'c'].map((id) => {
        const known = good(id, 'g');
        return { ...known, litellm_params: { ...known.litellm_params, ...more } };
      }),
    });
    expect(messages).toEqual([
      'Router: litellm_params: sent with every request that does not set them: min_p, repetition_penalty; LiteLLM parameters without effect: cache, callbacks',
    ]);
    await llm.client.chat({ model: 'g', messages: [...HELLO], min_p: 0.5 });
    expect(working.latest?.body).toMatchObject({ min_p: 0.5, repetition_penalty: 1.1 });
    expect(Object.keys(working.latest?.body ?? {}).sort()).toEqual(['messages', 'min_p', 'model', 'repetition_penalty']);
  });
});

describe('a configuration that turns out wrong in a call', () => {
  it('is 503 for the client, tries another deployment, and causes a cooldown at once', async () => {
    const quiet = { log: () => {}, warn: () => {}, error: () => {} };
    // Without the check of the module: as of a router that somebody else has made.
    const llm = new FastLiteLLM({
      router: {
        modelList: [entry(BROKEN.bedrock[0], 'late'), good()],
        calledByApp: true,
        numRetries: 0,
      },
      logger: quiet,
    });
    const lone = new FastLiteLLM({
      router: { modelList: [entry(BROKEN.keyless[0], 'k'), entry({ model: 'sagemaker/x' }, 'lone', 'lone')], calledByApp: true },
      logger: quiet,
    });
    try {
      // It is selected at random, until it is found out.
      for (let i = 0; i < 40; i++)
        expect((await llm.client.chat({ model: 'chat', messages: [...HELLO] })).call.deploymentId).toBe('working');
      expect(llm.router.status().find(({ id }) => id === 'late')).toMatchObject({ state: 'cooling', failures: 1 });
      const failed = lone.client.chat({ model: 'lone', messages: [...HELLO] });
      await expect(failed).rejects.toMatchObject({
        code: 'DEPLOYMENT_MISCONFIGURED',
        deploymentIds: ['lone'],
        cause: { code: 'INVALID_CONFIGURATION' },
      });
      const error = (await failed.catch((thrown: unknown) => thrown)) as { getStatus(): number; getResponse(): object };
      expect([error.getStatus(), error.getResponse()]).toEqual([
        503,
        { error: expect.objectContaining({ code: 'deployment_misconfigured', type: 'server_error' }) as object },
      ]);
      expect(lone.router.status().find(({ id }) => id === 'lone')).toMatchObject({ state: 'cooling' });
    } finally {
      await Promise.all([llm.close(), lone.close()]);
    }
  });
});
