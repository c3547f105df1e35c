import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** dist/bench/gateway -> the project. */
export const ROOT = join(__dirname, '..', '..', '..');
const PEERS = join(ROOT, 'test', 'bench', 'node_modules');
export const PORTKEY = join(PEERS, '@portkey-ai', 'gateway', 'build', 'start-server.js');

export const OURS_FASTIFY = 'ours, Fastify';
export const OURS_EXPRESS = 'ours, Express';
export const BARE_FASTIFY = 'Nest Fastify + undici';
export const BARE_EXPRESS = 'Nest Express + undici';
export const FETCH = 'Nest Express + fetch';
export const PORTKEY_NAME = '@portkey-ai/gateway';
export const DIRECT = 'the provider itself';

/** Every gateway, ours first. */
export const GATEWAYS = [OURS_FASTIFY, OURS_EXPRESS, BARE_FASTIFY, BARE_EXPRESS, FETCH, PORTKEY_NAME] as const;
export type GatewayName = (typeof GATEWAYS)[number];

/** Those that can run here, and why the others cannot. */
export function available(wanted: readonly string[]): { installed: GatewayName[]; missing: { name: string; reason: string }[] } {
  const chosen = GATEWAYS.filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
  const hasPortkey = existsSync(PORTKEY);
  return {
    installed: chosen.filter((name) => name !== PORTKEY_NAME || hasPortkey),
    missing: chosen.includes(PORTKEY_NAME) && !hasPortkey ? [{ name: PORTKEY_NAME, reason: 'not installed' }] : [],
  };
}
