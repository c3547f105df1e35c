import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** dist/bench/gateway -> the project. */
export const ROOT = join(__dirname, '..', '..', '..');
const PEERS = join(ROOT, 'test', 'bench', 'node_modules');
export const PORTKEY = join(PEERS, '@portkey-ai', 'gateway', 'build', 'start-server.js');

export const OURS_FASTIFY = 'ours, Fastify';
export const OURS_EXPRESS = 'ours, Express';
/** The gateway that users start: with keys, limits, metrics and a dashboard. */
export const USERS = 'ours, all on';
/** The same of another checkout: `--before`. */
export const BEFORE = 'ours before, all on';
export const BARE_FASTIFY = 'Nest Fastify + undici';
export const BARE_EXPRESS = 'Nest Express + undici';
export const FETCH = 'Nest Express + fetch';
export const PORTKEY_NAME = '@portkey-ai/gateway';
export const LITELLM_NAME = 'LiteLLM proxy';
export const LITER_LLM_NAME = 'liter-llm proxy';
export const PIPE = 'bare Node, bytes piped';
export const PARSE = 'bare Node, JSON parsed';
export const DIRECT = 'the provider itself';

/** Every gateway, ours first. */
export const GATEWAYS = [
  OURS_FASTIFY,
  OURS_EXPRESS,
  BARE_FASTIFY,
  BARE_EXPRESS,
  FETCH,
  PORTKEY_NAME,
  LITELLM_NAME,
  LITER_LLM_NAME,
] as const;
/** Those that are measured with bodies and streams of all sizes. */
export const AT_EACH_SIZE = [OURS_FASTIFY, PIPE, PARSE, LITER_LLM_NAME, LITELLM_NAME] as const;
/** The gateway that users start, and what it is compared with. */
export const AS_STARTED = [USERS, BEFORE, BARE_FASTIFY, LITER_LLM_NAME] as const;
/** The same with 600 streams. */
export const STREAMING = [USERS, BEFORE, ...AT_EACH_SIZE] as const;
export type GatewayName = (typeof GATEWAYS)[number] | (typeof STREAMING)[number];

/** Those that can run here, and why the others cannot. */
export function available(
  wanted: readonly string[],
  all: readonly GatewayName[] = GATEWAYS,
): { installed: GatewayName[]; missing: { name: string; reason: string }[] } {
  const chosen = all.filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
  const reasons = new Map(
    chosen.flatMap((name) => {
      const reason = lack(name);
      return reason === undefined ? [] : [[name, reason] as const];
    }),
  );
  return {
    installed: chosen.filter((name) => !reasons.has(name)),
    missing: [...reasons].map(([name, reason]) => ({ name, reason })),
  };
}

/** The programs of other languages: a path in the environment, else by `PATH`. */
export const PROGRAMS: Readonly<
  Partial<Record<GatewayName, { readonly variable: string; readonly command: string; readonly install: string }>>
> = {
  [LITELLM_NAME]: { variable: 'LITELLM', command: 'litellm', install: "pip install 'litellm[proxy]'" },
  [LITER_LLM_NAME]: { variable: 'LITER_LLM', command: 'liter-llm', install: 'cargo install liter-llm-cli' },
};

export function programOf(name: GatewayName): string | undefined {
  const program = PROGRAMS[name];
  if (program === undefined) return undefined;
  const places = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, program.command));
  return [process.env[program.variable] ?? '', ...places].find((path) => path !== '' && existsSync(path));
}

/** The checkout whose package a gateway runs; `undefined`: there is none. */
export function buildOf(name: string): string | undefined {
  return name === BEFORE ? process.env.BENCH_BEFORE : ROOT;
}

/** Why a gateway cannot run here. */
function lack(name: GatewayName): string | undefined {
  if (name === PORTKEY_NAME) return existsSync(PORTKEY) ? undefined : 'not installed';
  if (name === BEFORE) return buildOf(name) === undefined ? 'name a checkout with --before DIR' : undefined;
  const program = PROGRAMS[name];
  if (program === undefined || programOf(name) !== undefined) return undefined;
  return `not found: ${program.install}, or set ${program.variable} to its path`;
}
