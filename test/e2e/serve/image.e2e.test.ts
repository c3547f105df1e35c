import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { root } from '../../project/sources.js';
import { environmentOf, parseDockerfile, wordsOf, type Stage } from '../../support/dockerfile.js';
import { HELLO, provider, stopProviders } from '../../support/llm-client-providers.js';
import { isLong } from '../../support/long.js';
import { ServeProcess } from './serve-process.js';

const image = join(root, 'deploy', 'image');
const USER = 65_532;
const isRoot = process.getuid?.() === 0;
/** Runs a program as the user of the image, which only root can do. */
const asUser = isRoot ? ['setpriv', `--reuid=${USER}`, `--regid=${USER}`, '--clear-groups'] : [];

function run(command: string, cwd: string): void {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: exit code ${status}\n${stdout}${stderr}`);
}

/** Runs the commands of a stage below `folder`, and returns its working directory. */
function build(stage: Stage, folder: string, context: string): string {
  let cwd = folder;
  for (const { name, text } of stage.instructions) {
    if (name === 'WORKDIR') mkdirSync((cwd = join(folder, text)), { recursive: true });
    else if (name === 'COPY') {
      const words = text.split(' ');
      const to = words[words.length - 1];
      const target = to.startsWith('/') ? join(folder, to) : join(cwd, to);
      mkdirSync(target, { recursive: true });
      run(`cp ${words.slice(0, -1).join(' ')} ${target}/`, context);
    } else if (name === 'RUN') run(`TARGETARCH=${process.arch === 'x64' ? 'amd64' : process.arch}; ${text}`, cwd);
  }
  return cwd;
}

// The packed package is that of dist/, which `npm run ready` builds before.
(isLong && process.platform === 'linux' ? describe : describe.skip)('the image, built without Docker', () => {
  const [packages, last] = parseDockerfile(readFileSync(join(image, 'Dockerfile'), 'utf8'));
  let folder: string;
  let app: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'image-'));
    chmodSync(folder, 0o755);
    const context = join(folder, 'context');
    cpSync(image, context, { recursive: true });
    run(`npm pack --ignore-scripts --silent --pack-destination ${context}`, root);
    app = build(packages, join(folder, 'stage'), context);
    run('chmod -R a-w,a+rX .', app);
  });

  afterAll(async () => {
    await stopProviders();
    run('chmod -R u+w .', folder);
    rmSync(folder, { recursive: true });
  });

  /** A command of the image, with the paths of this machine. */
  const here = (words: readonly string[]): string[] => words.map((word) => word.replace(/^\/app\//, `${app}/`));

  it('has one addon, and neither npm nor packages of the tests', () => {
    expect(readdirSync(join(app, 'node_modules/nestjs-fast-litellm/native')).filter((name) => name.endsWith('.node'))).toHaveLength(1);
    const names = readdirSync(join(app, 'node_modules'));
    expect(names).toEqual(expect.arrayContaining(['pg', 'ioredis', 'undici']));
    expect(names.filter((name) => ['npm', 'jest', 'typescript', '@swc', 'eslint'].includes(name))).toEqual([]);
  });

  it('serves without write access, answers its health check, and drains a stream on SIGTERM', async () => {
    const upstream = await provider('one');
    const config = join(folder, 'config.yaml');
    writeFileSync(
      config,
      `model_list:\n  - model_name: chat\n    litellm_params: { model: openai/gpt-4o, api_base: ${upstream.apiBase}, api_key: sk-upstream }\n`,
    );
    const [, main] = here(wordsOf(last, 'ENTRYPOINT'));
    const launcher = join(folder, 'launch.js');
    // Becomes the user of the image, which has no entry in /etc/passwd here.
    writeFileSync(launcher, isRoot ? `process.setgroups([]);process.setgid(${USER});process.setuid(${USER});delete process.env.HOME;` : '');
    const env = environmentOf(last);
    delete env.PORT;
    const gateway = await ServeProcess.start(['--config', config], env, ['--require', launcher, main], app);
    try {
      const [, ...check] = here(wordsOf(last, 'HEALTHCHECK'));
      const [program, ...args] = [...asUser, process.execPath, ...check];
      const healthOf = (): number | null =>
        spawnSync(program, args, { cwd: app, env: { ...env, PATH: process.env.PATH, PORT: new URL(gateway.url).port } }).status;
      expect(healthOf()).toBe(0);
      upstream.behave({ chunkDelayMs: 100 });
      const openai = new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: 'none', maxRetries: 0 });
      const stream = await openai.chat.completions.create({ model: 'chat', messages: [...HELLO], stream: true });
      let finished: unknown;
      let isFirst = true;
      for await (const chunk of stream) {
        if (isFirst) gateway.signal('SIGTERM');
        isFirst = false;
        finished = chunk.choices[0]?.finish_reason ?? finished;
      }
      expect(finished).toBe('stop');
      expect(await gateway.ended).toBe(0);
      expect(healthOf()).toBe(1);
    } finally {
      await gateway.kill();
    }
  });
});
