import { Tiktoken } from 'js-tiktoken/lite';
import ranks from 'js-tiktoken/ranks/r50k_base';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { installed, isNative, openAcceleration } from '../../test/e2e/acceleration/acceleration-libraries.js';
import { InvalidArgumentError } from '../common/errors.js';
import type { NativeBinding } from '../engine/native-binding.js';
import { FastLiteLLM } from '../fast-litellm.js';
import { NativeTokenCounterEngine } from '../token-counter/engine/native.js';
import { TOKEN_COUNTER_ENGINES } from '../token-counter/engine/engine-provider.js';
import type { AccelerationTarget } from './acceleration.options.js';
import type { AccelerationService } from './acceleration.service.js';

const whenNative = isNative ? describe : describe.skip;
const { encode, decode } = Tiktoken.prototype;
const tokenizer = new Tiktoken(ranks);
const IDS = tokenizer.encode('hello world');
const target = (service: AccelerationService, name: AccelerationTarget = 'js-tiktoken') => service.status().targets[name];

afterEach(() => {
  openAcceleration().service.remove();
  expect(Tiktoken.prototype.encode).toBe(encode);
  expect(Tiktoken.prototype.decode).toBe(decode);
});

describe('the acceleration service', () => {
  it('touches nothing without the native engine, and says why', () => {
    const { service } = openAcceleration({}, { ...TOKEN_COUNTER_ENGINES, selfTest: () => false });
    expect(service.apply()).toBe(false);
    expect(Tiktoken.prototype.encode).toBe(encode);
    expect(service.status()).toMatchObject({ applied: false, rustAvailable: false, reason: expect.stringMatching(/addon/) as string });
    expect(service.summary).toMatch(/^no library is patched \(.*addon/);
    expect(service.remove()).toBe(false);
  });

  it('takes known targets only', () => {
    const { service } = openAcceleration();
    const apply = (options: unknown) => () => service.apply(options as { targets: [] });
    expect(apply({ targets: ['js-tiktokne'] })).toThrow(InvalidArgumentError);
    expect(apply({ targets: ['js-tiktokne'] })).toThrow('targets[0]: must be one of');
    expect(apply({ target: [] })).toThrow('target: is not a known option (did you mean targets?)');
    expect(apply({ targets: 'tiktoken' })).toThrow('targets: must be an array');
    expect(() => new FastLiteLLM({ accelerate: 'all' as unknown as true }, { env: {} })).toThrow(
      'accelerate: must be true, false or an array',
    );
    expect(() => new FastLiteLLM({ accelerate: ['x' as 'tiktoken'] }, { env: {} })).toThrow('accelerate[0]: must be one of');
  });
});

whenNative('acceleration by the native engine', () => {
  it('puts the very functions back, after any number of patches', () => {
    const { service } = openAcceleration();
    expect([service.apply(), service.apply()]).toEqual([true, true]);
    expect(Tiktoken.prototype.encode).not.toBe(encode);
    expect(service.status()).toMatchObject({ applied: true, rustAvailable: true });
    expect([service.remove(), service.remove()]).toEqual([true, false]);
    expect(Tiktoken.prototype.encode).toBe(encode);
    expect(target(service).state).toBe('not_applied');
  });

  it('patches the requested libraries', () => {
    const { service } = openAcceleration();
    service.apply({ targets: ['tiktoken'] });
    expect(Tiktoken.prototype.encode).toBe(encode);
    expect(target(service).state).toBe('not_applied');
    service.apply({ targets: ['js-tiktoken'] });
    expect([target(service).state, target(service, 'tiktoken').state]).toEqual(['patched', 'patched']);
  });

  it('lasts as long as anybody wants it, by the engine of the last one', () => {
    const [first, second] = [openAcceleration(), openAcceleration()];
    first.service.apply();
    second.service.apply({ targets: ['js-tiktoken'] });
    second.flags.recordError('rust_token_counting', new Error('no'));
    second.service.close();
    expect([target(first.service).state, target(first.service, 'tiktoken').state]).toEqual(['patched', 'patched']);
    expect(tokenizer.encode('hello world')).toEqual(IDS);
    first.service.close();
    expect(Tiktoken.prototype.encode).toBe(encode);
  });

  it('leaves patches that others have put on top, and reports them', () => {
    const { service } = openAcceleration();
    service.apply();
    const ours = Tiktoken.prototype.encode;
    const theirs: typeof encode = function (this: Tiktoken, ...args) {
      return [...ours.apply(this, args), -1];
    };
    Tiktoken.prototype.encode = theirs;
    service.remove();
    expect(Tiktoken.prototype.encode).toBe(theirs);
    const { state, reason, answeredNatively } = target(service);
    expect([state, reason]).toEqual(['covered', expect.stringContaining('another library')]);
    expect(tokenizer.encode('hello world')).toEqual([...IDS, -1]);
    expect(target(service).answeredNatively).toBe(answeredNatively);
    Tiktoken.prototype.encode = ours;
  });

  it('lets the library answer calls on which the native engine fails, and finally all calls', () => {
    let failures = 0;
    class Failing extends NativeTokenCounterEngine {
      override encode(): never {
        failures++;
        throw new Error('out of order');
      }
    }
    let nowMs = 0;
    const provider = { ...TOKEN_COUNTER_ENGINES, native: (binding: NativeBinding) => new Failing(binding) };
    const { service, flags } = openAcceleration({ errorThreshold: 3, coolOffMs: 1000 }, provider, () => nowMs);
    service.apply();
    for (let call = 0; call < 10; call++) expect(tokenizer.encode('hello world')).toEqual(IDS);
    expect(failures).toBe(3);
    expect(flags.isEnabled('rust_token_counting')).toBe(false);
    expect(service.health()).toMatchObject({ status: 'degraded', engine: 'typescript' });
    expect(service.status()).toMatchObject({ applied: true, rustAvailable: false });
    nowMs += 1000;
    expect(tokenizer.encode('hello world')).toEqual(IDS);
    expect(failures).toBe(4);
  });

  it('takes the native engine back after a trial that succeeds', () => {
    let nowMs = 0;
    const { service, flags } = openAcceleration({ errorThreshold: 1, coolOffMs: 1000 }, TOKEN_COUNTER_ENGINES, () => nowMs);
    service.apply();
    flags.recordError('rust_token_counting', new Error('once'));
    const { answeredNatively } = target(service);
    tokenizer.encode('hello world');
    expect(target(service).answeredNatively).toBe(answeredNatively);
    nowMs += 1000;
    for (let call = 0; call < 2; call++) expect(tokenizer.encode('hello world')).toEqual(IDS);
    expect(target(service).answeredNatively).toBe(answeredNatively + 2);
    expect(service.health().status).toBe('ok');
  });

  it.each(['shadow', 'canary:50', 'disabled'] as const)('leaves %s to the library', (state) => {
    const { service } = openAcceleration({ features: { rust_token_counting: state } });
    service.apply();
    const { answeredNatively, passedOn } = target(service);
    expect(tokenizer.encode('hello world')).toEqual(IDS);
    expect(target(service)).toMatchObject({ answeredNatively, passedOn: passedOn + 1 });
  });

  it('reports metrics and health', () => {
    const lines: string[] = [];
    const logger = { log: (line: string) => void lines.push(line), warn: () => {}, error: () => {} };
    const llm = new FastLiteLLM({ accelerate: ['js-tiktoken'] }, { env: {}, logger });
    expect(lines).toContain('Acceleration: patched js-tiktoken');
    const value = (by: string) =>
      llm
        .metrics()
        .find(({ name, labels }) => name === 'acceleration_calls_total' && labels?.library === 'js-tiktoken' && labels.answered_by === by)
        ?.value ?? 0;
    const before = [value('native'), value('library')];
    tokenizer.encode('hello world');
    tokenizer.encode('\ufeff');
    expect([value('native') - before[0], value('library') - before[1]]).toEqual([1, 1]);
    expect(llm.metrics()).toContainEqual(
      expect.objectContaining({ name: 'acceleration_patched', value: 1, labels: { library: 'js-tiktoken' } }),
    );
    expect(llm.healthCheck().components.acceleration).toMatchObject({ status: 'ok', engine: 'native', patched: ['js-tiktoken'] });
    return llm.close();
  });
});

whenNative('the copies of a library', () => {
  const apps: string[] = [];
  afterAll(() => apps.forEach((app) => rmSync(app, { recursive: true })));
  afterEach(() => jest.restoreAllMocks());

  /** An app of its own, from whose folder the process seems to run. */
  function makeApp(): string {
    const app = realpathSync(mkdtempSync(join(tmpdir(), 'acceleration-')));
    apps.push(app);
    jest.spyOn(process, 'cwd').mockReturnValue(app);
    return app;
  }

  /** Installs js-tiktoken, in the version given, below a folder of the app. */
  function install(app: string, version: string, below = '.'): string {
    const folder = join(app, below, 'node_modules/js-tiktoken');
    const source = installed('js-tiktoken');
    mkdirSync(join(folder, 'dist'), { recursive: true });
    for (const file of ['dist/lite.cjs', 'dist/index.cjs', 'dist/lite.js']) cpSync(join(source, file), join(folder, file));
    cpSync(installed('base64-js'), join(app, 'node_modules/base64-js'), { recursive: true });
    const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as object;
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, version }));
    return folder;
  }

  const own = realpathSync(dirname(installed('js-tiktoken/package.json')));

  it('are those that are loaded, where the app has none', () => {
    makeApp();
    const { service } = openAcceleration();
    service.apply();
    expect(target(service).copies.map(({ folder }) => folder)).toEqual([own]);
  });

  it('are the app’s own, and what LangChain brings', () => {
    const app = makeApp();
    const first = install(app, '1.0.20');
    const core = join(app, 'node_modules/@langchain/core');
    mkdirSync(core, { recursive: true });
    writeFileSync(join(core, 'package.json'), JSON.stringify({ name: '@langchain/core', version: '1.0.0', main: 'index.js' }));
    writeFileSync(join(core, 'index.js'), '');
    const second = install(app, '1.0.12', 'node_modules/@langchain/core');
    const { service } = openAcceleration();
    service.apply();
    const { copies, state } = target(service);
    expect(state).toBe('patched');
    const found = copies.map((copy) => [copy.folder, copy.state]).sort();
    expect(found).toEqual([first, own, second].map((folder) => [folder, 'patched']).sort());
    const { Tiktoken: Theirs } = jest.requireActual<{ Tiktoken: typeof Tiktoken }>(join(second, 'dist/lite.cjs'));
    const { answeredNatively } = target(service);
    expect(new Theirs(ranks).encode('hello world')).toEqual(IDS);
    expect(target(service).answeredNatively).toBe(answeredNatively + 1);
  });

  it('are not patched in an unknown version', () => {
    const folder = install(makeApp(), '1.1.0');
    const { encode: theirs } = jest.requireActual<{ Tiktoken: typeof Tiktoken }>(join(folder, 'dist/lite.cjs')).Tiktoken.prototype;
    const { service } = openAcceleration();
    service.apply();
    expect(target(service).copies).toContainEqual({
      folder,
      version: '1.1.0',
      state: 'left_alone',
      reason: 'unsupported version 1.1.0; supported: 1.0.12 to 1.0.21',
    });
    expect(jest.requireActual<{ Tiktoken: typeof Tiktoken }>(join(folder, 'dist/lite.cjs')).Tiktoken.prototype.encode).toBe(theirs);
  });
});
