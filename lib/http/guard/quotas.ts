import type { RateLimit } from '../../rate-limit/limits.js';

/** One item of `RateLimit-Policy`: `"chat-minute";q=60;w=60`. */
export interface Quota {
  readonly name: string;
  readonly quota: number;
  readonly parameters: string;
  /** What is the same in every answer: the figure, and how its item of `RateLimit` begins. */
  readonly text: string;
  readonly item: string;
}

/** What a limit has to be called in headers, part by part. Tokens are no unit of the draft: they have headers of their own. */
export function quotasOf(label: string, { windows, bucket, maxConcurrent }: RateLimit): readonly Quota[] {
  const length = (ms: number): string => `;w=${Math.max(1, Math.ceil(ms / 1000))}`;
  const parts: { part: string; quota: number; parameters: string }[] = windows.map(({ exceeded, limit, lengthMs }) => ({
    part: exceeded,
    quota: limit,
    parameters: length(lengthMs),
  }));
  if (bucket !== undefined) {
    const { capacity, perSecond } = bucket;
    parts.unshift({ part: 'burst', quota: capacity, parameters: perSecond > 0 ? length((capacity / perSecond) * 1000) : '' });
  }
  if (maxConcurrent !== undefined) parts.push({ part: 'concurrency', quota: maxConcurrent, parameters: ';qu="concurrent-requests"' });
  return parts.map(({ part, quota, parameters }) => {
    const name = parts.length === 1 ? label : `${label}-${part}`;
    return { name, quota, parameters, text: String(quota), item: `"${name}";r=` };
  });
}

/** `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10). */
export function policyHeader(limits: readonly { readonly quotas: readonly Quota[] }[]): string {
  return limits.flatMap(({ quotas }) => quotas.map(({ name, quota, parameters }) => `"${name}";q=${quota}${parameters}`)).join(', ');
}
