import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { agentAnswer, CITY } from '../../support/agent-script.js';
import { GatewayApp } from '../../support/gateway-app.js';
import { stopProviders } from '../../support/llm-client-providers.js';
import { isWhole } from '../../support/long.js';
import { ANTHROPIC_SCRIPT } from '../../support/protocols/anthropic-protocol.js';
import { BEDROCK_SCRIPT } from '../../support/protocols/bedrock-protocol.js';
import { GEMINI_SCRIPT } from '../../support/protocols/gemini-protocol.js';
import { OPENAI_SCRIPT } from '../../support/protocols/openai-protocol.js';
import { ScriptedProvider, type Fields, type ScriptedAnswer, type ScriptedProtocol } from '../../support/protocols/protocol-script.js';

/** Programs of some hundred megabytes: nightly. */
const PACKAGES = { '@anthropic-ai/claude-code': '2.1.197', '@openai/codex': '0.171.0' };
const PYTHON = process.env.PYTHON_CLIENTS ?? 'python3';
const FIND =
  'import importlib.util as u, sys; sys.exit(not all(u.find_spec(n) for n in ("instructor", "pydantic_ai", "openai", "anthropic")))';
const hasPython = isWhole && spawnSync(PYTHON, ['-c', FIND]).status === 0;
if (isWhole && !hasPython)
  process.stderr.write('no python3 with instructor and pydantic-ai (PYTHON_CLIENTS): the gateway is not checked by them\n');

const GROQ = { ...OPENAI_SCRIPT, params: (origin: string) => ({ ...OPENAI_SCRIPT.params(origin), model: 'groq/llama-3.3-70b' }) };
const PROTOCOLS: readonly ScriptedProtocol[] = [GROQ, ANTHROPIC_SCRIPT, GEMINI_SCRIPT, BEDROCK_SCRIPT];
const SECRET = 'a heron by the lake';

const run = (command: string, args: readonly string[], env: Readonly<Record<string, string>>, cwd: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = execFile(command, args, { env: { ...process.env, ...env }, cwd, timeout: 120_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${error.message}\n${stdout}\n${stderr}`));
    });
    child.stdin?.end();
  });

/** A model that reads note.txt by whichever tool runs commands or reads files, and then says what it holds. */
function readNote(folder: string): (index: number, body: Fields) => ScriptedAnswer {
  return (_, body) => {
    const text = JSON.stringify(body);
    if (text.includes(SECRET)) return { text: `The note says: ${SECRET}.` };
    if (text.includes('"exec_command"')) return { calls: [{ name: 'exec_command', input: { cmd: 'cat note.txt' } }] };
    if (text.includes('"Read"')) return { calls: [{ name: 'Read', input: { file_path: join(folder, 'note.txt') } }] };
    return { text: 'No tools.' };
  };
}

(isWhole ? describe : describe.skip)('agents of the command line', () => {
  let installed: string;
  let folder: string;
  beforeAll(async () => {
    installed = mkdtempSync(join(tmpdir(), 'agents-'));
    writeFileSync(join(installed, 'package.json'), JSON.stringify({ private: true, dependencies: PACKAGES }));
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: installed });
    // npm asks before it runs scripts of packages; this one puts the program of the platform in place.
    await promisify(execFile)(process.execPath, ['install.cjs'], { cwd: join(installed, 'node_modules/@anthropic-ai/claude-code') });
  }, 400_000);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'agent-work-'));
    writeFileSync(join(folder, 'note.txt'), `${SECRET}\n`);
  });
  afterEach(async () => {
    await stopProviders();
    rmSync(folder, { recursive: true, force: true });
  });
  afterAll(() => rmSync(installed, { recursive: true, force: true }));

  const program = (name: string): string => join(installed, 'node_modules/.bin', name);

  async function serve(protocol: ScriptedProtocol): Promise<[ScriptedProvider, GatewayApp]> {
    const [provider, origin] = await ScriptedProvider.start(protocol, readNote(folder));
    const modelList = [provider.deployment('m', origin)];
    const module = { router: { modelList, numRetries: 0 }, rateLimit: { requestsPerMinute: 100_000 } };
    return [provider, await GatewayApp.start('Express', {}, { module })];
  }

  it.each(PROTOCOLS.map((protocol) => [protocol.name, protocol] as const))('Codex works over %s', async (_, protocol) => {
    const [provider, gateway] = await serve(protocol);
    const config = `model = "m"\nmodel_provider = "gateway"\n[model_providers.gateway]\nname = "gateway"\nbase_url = "${gateway.url}/v1"\nwire_api = "responses"\nenv_key = "GATEWAY_KEY"\nrequest_max_retries = 0\nstream_max_retries = 0\n`;
    writeFileSync(join(folder, 'config.toml'), config);
    const args = ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', 'What does note.txt say?'];
    const said = await run(program('codex'), args, { CODEX_HOME: folder, GATEWAY_KEY: 'any' }, folder);
    expect([said, provider.faults]).toEqual([expect.stringContaining(SECRET), []]);
    expect(JSON.stringify(provider.asked)).not.toContain('client_metadata');
    await gateway.stop();
  });

  it.each(PROTOCOLS.map((protocol) => [protocol.name, protocol] as const))('Claude Code works over %s', async (_, protocol) => {
    const [provider, gateway] = await serve(protocol);
    const env = {
      ANTHROPIC_BASE_URL: gateway.url,
      ANTHROPIC_AUTH_TOKEN: 'any',
      ANTHROPIC_MODEL: 'm',
      ANTHROPIC_SMALL_FAST_MODEL: 'm',
      CLAUDE_CONFIG_DIR: join(folder, 'config'),
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
      DISABLE_AUTOUPDATER: '1',
    };
    const said = await run(program('claude'), ['-p', 'What does note.txt say?', '--allowedTools', 'Read'], env, folder);
    expect([said, provider.faults]).toEqual([expect.stringContaining(SECRET), []]);
    await gateway.stop();
  });
});

(hasPython ? describe : describe.skip).each(PROTOCOLS.map((protocol) => [protocol.name, protocol] as const))(
  'agents in Python over %s',
  (_, protocol) => {
    afterAll(stopProviders);

    it('instructor and pydantic-ai fill in forms', async () => {
      const [provider, origin] = await ScriptedProvider.start(protocol, agentAnswer);
      const router = { modelList: [provider.deployment('m', origin)], numRetries: 0 };
      const gateway = await GatewayApp.start('Express', {}, { module: { router, rateLimit: { requestsPerMinute: 100_000 } } });
      const said = await run(PYTHON, [join(__dirname, 'python_agents.py'), gateway.url, 'm'], {}, tmpdir());
      expect([Object.values(JSON.parse(said) as object), provider.faults]).toEqual([Array<string>(5).fill(CITY), []]);
      await gateway.stop();
    });
  },
);
