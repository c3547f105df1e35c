import { isDeepStrictEqual } from 'node:util';
import { fieldsOf, listOf, type Fields } from '../common/objects.js';
import type { ConfigSection } from '../router/config/config-file.js';

/** A setting that a reload would weaken, and the rule that it violates. */
export interface GuardrailViolation {
  readonly setting: string;
  readonly rule: string;
}

const RESTART = 'restart the app to apply it';
/** Settings that decide how a guardrail is reached, and not what it lets pass. */
const OF_SERVICE: ReadonlySet<string> = new Set(['api_key', 'timeout', 'num_retries', 'violation_message_template']);
/** Settings that may only change in one direction: to this value. */
const STRICTER: Readonly<Record<string, unknown>> = {
  default_on: true,
  fail_on_error: true,
  unreachable_fallback: 'fail_closed',
  skip_system_message_in_guardrail: false,
  skip_tool_message_in_guardrail: false,
  scan_only_tool_results: false,
  streaming_end_of_stream_only: true,
  streaming_buffer_until_moderated: true,
};

/**
 * The first guardrail that a reload would remove or weaken. It can add guardrails, modes, and names
 * to deployments, have a guardrail run for all requests or fail closed, and replace the key of its
 * service.
 */
export function guardrailViolation(before: ConfigSection, after: ConfigSection): GuardrailViolation | undefined {
  const next = entriesOf(after);
  for (const [name, known] of entriesOf(before)) {
    const now = next.get(name) ?? [];
    if (now.length !== known.length)
      return { setting: `guardrails['${name}']`, rule: `must not be removed while the app runs; ${RESTART}` };
    for (const [at, entry] of known.entries()) {
      const changed = weakened(entry, now[at]);
      if (changed !== undefined)
        return {
          setting: `guardrails['${name}'].litellm_params.${changed}`,
          rule: `must not become weaker while the app runs; ${RESTART}`,
        };
    }
  }
  return lostName(before, after);
}

function entriesOf({ guardrails }: ConfigSection): ReadonlyMap<string, readonly Fields[]> {
  const entries = new Map<string, readonly Fields[]>();
  for (const entry of listOf(guardrails).map(fieldsOf)) {
    const name = String(entry.guardrail_name);
    entries.set(name, [...(entries.get(name) ?? []), fieldsOf(entry.litellm_params)]);
  }
  return entries;
}

function weakened(before: Fields, after: Fields): string | undefined {
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [known, next] = [before[key], after[key]];
    if (isDeepStrictEqual(known, next) || OF_SERVICE.has(key) || (Object.hasOwn(STRICTER, key) && next === STRICTER[key])) continue;
    if (key === 'mode' && hasModes(known, next)) continue;
    return key;
  }
  return undefined;
}

/** Whether all modes stay. Those by tag must not change. */
function hasModes(before: unknown, after: unknown): boolean {
  const listed = (mode: unknown): readonly unknown[] | undefined =>
    typeof mode === 'string' ? [mode] : Array.isArray(mode) ? listOf(mode) : undefined;
  const next = listed(after);
  return next !== undefined && listed(before)?.every((mode) => next.includes(mode)) === true;
}

/** A deployment that stays must keep its guardrails. */
function lostName(before: ConfigSection, after: ConfigSection): GuardrailViolation | undefined {
  const groupsOf = (document: ConfigSection): Map<unknown, readonly Fields[]> => {
    const groups = new Map<unknown, readonly Fields[]>();
    for (const entry of listOf(document.model_list).map(fieldsOf))
      groups.set(entry.model_name, [...(groups.get(entry.model_name) ?? []), fieldsOf(entry.litellm_params)]);
    return groups;
  };
  const next = groupsOf(after);
  for (const [group, known] of groupsOf(before)) {
    // The guardrails of one deployment apply to all of its group.
    const kept = new Set((next.get(group) ?? []).flatMap(({ guardrails }) => listOf(guardrails)));
    const lost = known.some(({ guardrails }) => listOf(guardrails).some((name) => !kept.has(name)));
    if (lost && next.has(group))
      return {
        setting: `model_list['${String(group)}'].litellm_params.guardrails`,
        rule: `must not be removed while the app runs; ${RESTART}`,
      };
  }
  return undefined;
}
