import type { LogSink } from '../common/log-sink.js';
import type { Fields as OptionFields, Resolved } from '../common/option.js';
import type { Fields } from '../common/objects.js';
import type { Refuse } from '../common/options.js';
import type { Guardrail, GuardrailMode } from './guardrail.js';
import type { GuardrailHttp } from './guardrail-http.js';

/** An entry of `guardrails` after all checks. `P`: the checked parameters of its type. */
export interface ResolvedEntry<P = Fields> {
  /** `guardrail_name` */
  readonly name: string;
  /** Id of its type, such as `presidio`. */
  readonly guardrail: string;
  /** Path of `litellm_params`, for errors. */
  readonly path: string;
  readonly params: P;
  /** All modes of the entry, of any tag. */
  readonly modes: readonly GuardrailMode[];
  /** Of one request to its service, and of a `check` that makes none. */
  readonly timeoutMs: number;
  readonly numRetries: number;
  /** Makes the error for a value that the type rejects. */
  readonly refuse: Refuse;
}

/** Dependencies of a type. */
export interface GuardrailParts {
  /** Shared by all guardrails; opened when it is first read. */
  readonly http: GuardrailHttp;
  readonly log: LogSink;
}

/** A type of guardrail that configuration files can name. */
export interface GuardrailKind<F extends OptionFields = OptionFields> {
  /** LiteLLM's id. */
  readonly id: string;
  /** Modes that it can work in. */
  readonly modes: readonly GuardrailMode[];
  /**
   * Its parameters in `litellm_params`, besides those of every entry (`ENTRY_PARAMS`). Any other
   * is rejected.
   */
  readonly params: F;
  /** Parameters of LiteLLM without effect here, which protect nothing. */
  readonly ignored?: readonly string[];
  /** @throws by `entry.refuse` for parameters that do not fit each other. */
  create(entry: ResolvedEntry<Resolved<F>>, parts: GuardrailParts): Guardrail;
}

/** Declares a type, with the types of its parameters. */
export function guardrailKind<F extends OptionFields>(kind: GuardrailKind<F>): GuardrailKind {
  return kind;
}
