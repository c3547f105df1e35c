import { resolveOptions } from '../../lib/common/option.js';
import type { HookedCall } from '../../lib/calls/hooks/call-hook.js';
import { BUILT_IN_GUARDRAILS } from '../../lib/guardrails/built-in-guardrails.js';
import type { GuardrailHttp } from '../../lib/guardrails/guardrail-http.js';
import type { GuardedText, Guardrail, GuardrailInput, GuardrailMode, GuardrailVerdict, TextEdit } from '../../lib/guardrails/guardrail.js';
import { refuseParam } from '../../lib/guardrails/guardrails.options.js';

/** A guardrail that needs no service, as an entry of a configuration file makes it. */
export function localGuardrail(id: string, params: object, modes: readonly GuardrailMode[] = ['pre_call', 'post_call']): Guardrail {
  return builtInGuardrail(id, params, {
    modes,
    get http(): never {
      throw new Error('a local guardrail needs no service');
    },
  });
}

/** A guardrail with a client for its service. */
export function builtInGuardrail(
  id: string,
  params: object,
  parts: { readonly http: GuardrailHttp; readonly modes?: readonly GuardrailMode[]; readonly numRetries?: number },
): Guardrail {
  const kind = BUILT_IN_GUARDRAILS[id]();
  const path = 'guardrails[0].litellm_params';
  return kind.create(
    {
      name: 'local',
      guardrail: id,
      path,
      params: resolveOptions(kind.params, path, params, { refuse: refuseParam }),
      modes: parts.modes ?? ['pre_call', 'post_call'],
      timeoutMs: 1_000,
      numRetries: parts.numRetries ?? 0,
      refuse: refuseParam,
    },
    {
      get http() {
        return parts.http;
      },
      log: { debug() {}, log() {}, warn() {}, error() {} } as never,
    },
  );
}

/** What a local guardrail says of texts. */
export function judge(
  guardrail: Guardrail,
  texts: readonly (string | Partial<GuardedText>)[],
  given: Partial<GuardrailInput> = {},
): GuardrailVerdict {
  return judgeLater(guardrail, texts, given) as GuardrailVerdict;
}

/** What a guardrail says of texts, at once or later. */
export function judgeLater(
  guardrail: Guardrail,
  texts: readonly (string | Partial<GuardedText>)[],
  given: Partial<GuardrailInput> = {},
): GuardrailVerdict | Promise<GuardrailVerdict> {
  const input: GuardrailInput = {
    side: 'request',
    mode: 'pre_call',
    texts: texts.map((text, at) => ({
      path: `messages.${at}.content`,
      kind: 'content',
      text: '',
      ...(typeof text === 'string' ? { text } : text),
    })),
    isPartial: false,
    call: { body: {} } as unknown as HookedCall,
    extra: {},
    state: new Map(),
    signal: new AbortController().signal,
    ...given,
  };
  return guardrail.check(input);
}

/** The texts after a verdict; `undefined` for a denial. */
export function rewritten(verdict: GuardrailVerdict, texts: readonly string[]): readonly string[] | undefined {
  if (verdict === undefined || !('texts' in verdict)) return verdict !== undefined && 'block' in verdict ? undefined : texts;
  return verdict.texts.map((text, at) => (text === undefined ? texts[at] : typeof text === 'string' ? text : withEdits(texts[at], text)));
}

function withEdits(text: string, edits: readonly TextEdit[]): string {
  return edits.reduceRight((written, { start, end, replacement }) => written.slice(0, start) + replacement + written.slice(end), text);
}
