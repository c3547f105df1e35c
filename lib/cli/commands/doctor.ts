import { errorMessage, FastLiteLLMError } from '../../common/errors.js';
import { FastLiteLLM } from '../../fast-litellm.js';
import { type Command, type CommandIo, type GivenArguments, isGiven, textOption } from '../command.js';
import { deploymentFindings, openModelFindings, settingFindings } from '../doctor/deployment-findings.js';
import { engineFindings, tokenizerFindings } from '../doctor/engine-findings.js';
import { fault, type DoctorFinding } from '../doctor/finding.js';
import { checkRedisOption, redisFinding } from '../doctor/redis-findings.js';
import { alignedLines, writeLines } from '../output.js';

/** `npx nestjs-fast-litellm doctor` */
export const DOCTOR: Command = {
  options: {
    config: { type: 'string', short: 'c', value: 'file', help: "LiteLLM's config.yaml; shows which deployments cannot be called, and why" },
    redis: { type: 'string', short: 'r', value: 'url', help: 'checks whether this Redis responds' },
    prices: { type: 'string', value: 'file', help: 'a price file; checks whether it is valid and which deployments have a price' },
    json: { type: 'boolean', help: 'write JSON' },
  },
  notes: [
    'Run the command where the app runs, with the same environment. It does not call providers. It exits with 1 if there is an error.',
  ],
  run,
};

async function run({ options }: GivenArguments, io: CommandIo): Promise<number> {
  const given = textOption(options, 'redis');
  const redis = given === undefined ? undefined : checkRedisOption(given);
  const findings = [
    ...(await installationFindings(textOption(options, 'config'), textOption(options, 'prices'), io)),
    ...(redis === undefined ? [] : [await redisFinding(redis)]),
  ];
  const hasError = findings.some(({ status }) => status === 'error');
  if (isGiven(options, 'json')) io.stdout.write(`${JSON.stringify({ status: hasError ? 'error' : 'ok', findings }, null, 2)}\n`);
  else writeLines(io.stdout, linesOf(findings));
  return hasError ? 1 : 0;
}

async function installationFindings(
  configPath: string | undefined,
  source: string | undefined,
  { env }: CommandIo,
): Promise<DoctorFinding[]> {
  // Lines that would be logged are findings here.
  const logger = { log() {}, warn() {}, error() {} };
  const router = configPath === undefined ? undefined : { configPath };
  const tokenCounter = source === undefined ? undefined : { pricing: { source } };
  let llm: FastLiteLLM;
  try {
    llm = new FastLiteLLM({ router, tokenCounter, logger }, { env: { ...env }, logger });
  } catch (error) {
    return [startFault(error)];
  }
  try {
    await llm.tokenCounter.ready();
    return [
      ...engineFindings(llm),
      ...tokenizerFindings(llm),
      ...(router === undefined ? [] : [...deploymentFindings(llm), ...openModelFindings(llm), ...settingFindings(llm)]),
    ];
  } catch (error) {
    return [startFault(error)];
  } finally {
    await llm.close();
  }
}

function startFault(error: unknown): DoctorFinding {
  if (!(error instanceof FastLiteLLMError)) throw error;
  return fault('start', errorMessage(error), 'an app with the same options and environment does not start; fix this first');
}

function linesOf(findings: readonly DoctorFinding[]): string[] {
  const rows = findings.flatMap(({ subject, status, detail, advice }) => [
    [status, subject, detail],
    ...(advice === undefined ? [] : [['', '', `→ ${advice}`]]),
  ]);
  return alignedLines(rows);
}
