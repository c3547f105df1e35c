import Anthropic from '@anthropic-ai/sdk';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import OpenAI from 'openai';
import { root } from '../../project/sources.js';
import { HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { isComplete } from '../../support/long.js';
import { ServeProcess } from './serve-process.js';

// npm installs eighty packages.
jest.setTimeout(240_000);

const messages = [...HELLO];

/** npm's programs as files for Node: of the npm that runs, else of this Node. */
function npmFile(name: string): string {
  const bin = [dirname(process.env.npm_execpath ?? ''), join(dirname(process.execPath), '../lib/node_modules/npm/bin')];
  return bin.map((folder) => join(folder, `${name}-cli.js`)).find(existsSync) ?? join(bin[1], `${name}-cli.js`);
}

function npm(cwd: string, ...args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(process.execPath, [npmFile('npm'), ...args], { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`npm ${args.join(' ')}: exit code ${status}\n${stdout}${stderr}`);
}

const install = (cwd: string, ...names: readonly string[]): void =>
  npm(cwd, 'install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', ...names);

// Of dist/, which `npm run ready` builds before. The packages come from npm's cache if it has them.
(isComplete && process.platform === 'linux' ? describe : describe.skip)('serve of the packed package', () => {
  let folder: string;
  let config: string;
  const file = (): string => join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) as string);

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'packed-'));
    npm(root, 'pack', '--ignore-scripts', '--silent', '--pack-destination', folder);
    config = join(folder, 'config.yaml');
    const bases = await Promise.all(['one', 'two', 'three'].map(async (name) => (await provider(name)).apiBase));
    const models = Array.from({ length: 12 }, (_, index) => ({
      model_name: `group-${index % 4}`,
      litellm_params: { model: 'openai/gpt-4o', api_base: bases[index % 3], api_key: 'sk-upstream', rpm: 1000 + index },
    }));
    // JSON is YAML.
    writeFileSync(config, JSON.stringify({ model_list: models }));
  });

  afterAll(async () => {
    await stopProviders();
    rmSync(folder, { recursive: true });
  });

  /** Answers of both SDKs, by a server that `start` starts. */
  async function expectAnswers(app: string, program: readonly string[]): Promise<void> {
    const gateway = await ServeProcess.start(['--config', config], {}, program, app);
    try {
      expect(gateway.output).toContain('4 model groups, 12 of 12 deployments can be called');
      const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
      const anthropic = new Anthropic({ baseURL: gateway.url, apiKey: 'none', maxRetries: 0 });
      for (const model of ['group-0', 'group-1', 'group-2', 'group-3']) {
        const { choices } = await openai.chat.completions.create({ model, messages });
        expect(choices[0].message.content).toMatch(/^(one|two|three)/);
        const stream = await openai.chat.completions.create({ model, messages, stream: true });
        let last: unknown;
        for await (const chunk of stream) last = chunk.choices[0]?.finish_reason ?? last;
        expect(last).toBe('stop');
        const { content } = await anthropic.messages.create({ model, max_tokens: 50, messages });
        expect(content[0]).toMatchObject({ type: 'text', text: expect.stringMatching(/^(one|two|three)/) as string });
      }
    } finally {
      // npx does not pass on SIGKILL.
      process.kill(Number(/\(process (\d+)\)/.exec(gateway.output)?.[1]), 'SIGTERM');
      await gateway.ended;
    }
  }

  const appOf = (name: string, dependencies: Readonly<Record<string, string>>): string => {
    const app = mkdtempSync(join(folder, `${name}-`));
    writeFileSync(join(app, 'package.json'), JSON.stringify({ private: true, dependencies }));
    install(app, file());
    return app;
  };

  it('answers the SDKs of OpenAI and Anthropic, started by npx in a folder with nothing else', async () => {
    await expectAnswers(appOf('clean', {}), [npmFile('npx'), '--no-install', 'nestjs-fast-litellm']);
  });

  it('names the adapter that an app on NestJS 11 needs, and works with it', async () => {
    const app = appOf('nest-11', { '@nestjs/common': '^11.0.0', '@nestjs/core': '^11.0.0' });
    const main = join(app, 'node_modules/nestjs-fast-litellm/dist/lib/cli/main.js');
    const { status, stderr } = spawnSync(process.execPath, [main, 'serve', '--config', config, '--port', '0'], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([
      1,
      'nestjs-fast-litellm serve: serve in an app on NestJS 11 requires @nestjs/platform-fastify@11, which is not installed: npm install @nestjs/platform-fastify@11\n',
    ]);
    install(app, '@nestjs/platform-fastify@11');
    await expectAnswers(app, [main]);
  });
});
