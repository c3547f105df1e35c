import type { AuditLog } from '../common/audit-log.js';
import type { GuardrailRecord } from '../common/call-record.js';
import type { Capability, CapabilityHealth, MetricSample } from '../common/capability.js';
import { InvalidArgumentError, InvalidConfigurationError } from '../common/errors.js';
import { lazy } from '../common/lazy.js';
import type { LogSink } from '../common/log-sink.js';
import type { Fields } from '../common/objects.js';
import type { HookedCall } from '../calls/hooks/call-hook.js';
import type { Environment } from '../feature-flags/feature-flags.environment.js';
import type { ConfigSection } from '../router/config/config-file.js';
import { CallFindings, GuardrailFigures } from './findings.js';
import { GuardrailCheck } from './guardrail-check.js';
import { checkDeploymentNames, deploymentNamesIn, guardrailSourceOf } from './guardrail-config.js';
import { GuardrailHook } from './guardrail-hook.js';
import type * as Http from './guardrail-http.js';
import type { GuardrailParts } from './guardrail-kind.js';
import { GuardrailSet, type ConfiguredGuardrail, type GuardedRouting, type GuardrailSource } from './guardrail-set.js';
import type { GuardrailClass, GuardrailEntry } from './guardrails.options.js';
import { edited } from './stream-windows.js';

/** Where the entries come from, and what their guardrails need. */
export interface GuardrailsContext {
  /** The option `guardrails`. */
  readonly entries: readonly GuardrailEntry[];
  /** LiteLLM's configuration file. */
  readonly file: { readonly path: string; readonly document: ConfigSection } | undefined;
  /** For variables in the file, and for defaults of parameters. */
  readonly env: Environment;
  readonly routing: GuardedRouting;
  readonly log: LogSink;
}

/** Calls that began before a reload may take this long. */
const CLOSE_AFTER_MS = 15 * 60_000;

// eslint-disable-next-line @typescript-eslint/no-require-imports -- only guardrails with services load it
const http = lazy(() => require('./guardrail-http.js') as typeof Http);

/** The guardrails of an app, in all versions of its configuration. */
export class Guardrails implements Capability {
  readonly capability = 'guardrails';
  readonly hook: GuardrailHook;
  readonly figures = new GuardrailFigures();
  private readonly parts: GuardrailParts & { readonly opened?: Http.GuardrailHttp | undefined };
  private set: GuardrailSet | undefined = undefined;
  private instanceOf: ((type: GuardrailClass) => unknown) | undefined = undefined;
  private audit: AuditLog | undefined = undefined;

  /** @throws InvalidConfigurationError naming path, value and rule. */
  constructor(private readonly context: GuardrailsContext) {
    const { log, routing, entries, file } = context;
    const parts: { http: Http.GuardrailHttp; log: LogSink; opened?: Http.GuardrailHttp } = {
      log,
      get http() {
        return (parts.opened ??= http().openGuardrailHttp(log));
      },
    };
    this.parts = parts;
    this.hook = new GuardrailHook(() => this.current(), { routing, figures: this.figures, log, onIntervention: this.intervened });
    const hasClasses = entries.some((entry) => typeof entry?.litellm_params?.guardrail === 'function');
    if (!hasClasses) this.use(this.read(file?.document));
  }

  /**
   * Finds the providers of the app's classes. Until then, and without it, calls are denied.
   * @throws InvalidConfigurationError for a class that is not a provider.
   */
  resolve(instanceOf: (type: GuardrailClass) => unknown): void {
    this.instanceOf = instanceOf;
    if (this.set === undefined) this.use(this.read(this.context.file?.document));
  }

  /**
   * Reads another content of the file.
   * @throws InvalidConfigurationError: the file is rejected.
   */
  prepare(document: ConfigSection): { apply(): void } {
    const next = this.read(document);
    return { apply: () => this.use(next) };
  }

  /** Records denials in an audit log. */
  auditTo(log: AuditLog): void {
    this.audit = log;
  }

  /** Entries for LiteLLM's `/guardrails/list`, without secrets. */
  list(): readonly Fields[] {
    return this.current().all.map(({ name, kind, entry }) => {
      const { mode, default_on: isDefault } = entry.params;
      const { byTag, otherwise } = mode;
      const shown = otherwise.length === 1 ? otherwise[0] : otherwise;
      return {
        guardrail_name: name,
        litellm_params: {
          guardrail: kind,
          mode: byTag.size === 0 ? shown : { tags: Object.fromEntries(byTag), default: shown },
          default_on: isDefault,
        },
        guardrail_info: entry.info ?? null,
      };
    });
  }

  /**
   * Applies one guardrail to a text, as to the message of a user.
   * @throws InvalidArgumentError for an unknown name; GuardrailDeniedError; CallHookFailedError
   */
  async apply(name: string, text: string, extra: Fields = {}): Promise<string> {
    const of = this.current().find(name);
    if (of === undefined) throw new InvalidArgumentError('guardrail_name', name, 'must be the name of a guardrail');
    const call = callFor(text);
    const mode = of.modes.find((each) => each !== 'during_call') ?? 'pre_call';
    const context = { call, findings: new CallFindings(this.figures), log: this.context.log, ending: new AbortController() };
    const check = new GuardrailCheck({ of, modes: new Set(of.modes), extra }, context);
    const texts = [{ text, path: 'text', kind: 'content', role: 'user' } as const];
    const edits = await check.run({ mode, side: mode === 'post_call' ? 'answer' : 'request', texts, isPartial: false });
    return edits === undefined ? text : edited(text, edits[0]);
  }

  metrics(): readonly MetricSample[] {
    return [...this.figures.metrics(), ...(this.parts.opened?.metrics?.() ?? [])];
  }

  health(): CapabilityHealth {
    const names = this.set?.all.map(({ name }) => name) ?? [];
    if (this.set === undefined) return { status: 'down', engine: 'typescript', reason: 'the classes of guardrails are not resolved' };
    return { status: 'ok', engine: 'typescript', guardrails: [...new Set(names)] };
  }

  async close(): Promise<void> {
    await this.set?.close();
    await this.parts.opened?.close?.();
  }

  private current(): GuardrailSet {
    if (this.set !== undefined) return this.set;
    throw new InvalidConfigurationError('guardrails', 'must be instances unless the app uses FastLiteLLMModule');
  }

  private read(document: ConfigSection | undefined): GuardrailSet {
    const { entries, file, log, env } = this.context;
    const ofOption: GuardrailSource = { path: 'guardrails', entries };
    const ofFile = file === undefined || document === undefined ? [] : [guardrailSourceOf(file.path, document, env)];
    const instanceOf = this.instanceOf ?? (() => undefined);
    const set = GuardrailSet.open([...ofFile, ofOption], { log, env, parts: this.parts, instanceOf });
    if (file !== undefined && document !== undefined) checkDeploymentNames(deploymentNamesIn(file.path, document), (name) => set.has(name));
    return set;
  }

  private use(set: GuardrailSet): void {
    const before = this.set;
    this.set = set;
    const names = set.all.map(({ name, modes }) => `${name} (${modes.join(', ')})`);
    this.context.log.log(names.length === 0 ? 'Guardrails: none is configured' : `Guardrails: ${names.join(', ')}`);
    if (before === undefined) return;
    const kept = new Set(set.all.map(({ guardrail }) => guardrail));
    const left = before.all.filter(({ guardrail }) => !kept.has(guardrail));
    setTimeout(() => left.forEach((each) => void closed(each)), CLOSE_AFTER_MS).unref();
  }

  /** Never the text: kinds, places and actions. */
  private readonly intervened = (call: HookedCall, records: readonly GuardrailRecord[]): void => {
    const denied = records.filter(({ findings, status }) => status !== 'success' && !findings.some(({ action }) => action === 'masked'));
    for (const { name, mode, status, findings } of denied) {
      const after = { mode, status, operation: call.operation, model: call.model, call_id: call.id, findings };
      const actor = call.principal?.keyId ?? (call.principal?.isAdmin === true ? 'master' : 'client');
      void this.audit?.record({ actor, action: 'denied', entity: 'guardrails', entityId: name, after });
    }
  };
}

async function closed({ guardrail }: ConfiguredGuardrail): Promise<void> {
  await guardrail.close?.();
}

/** A call that no client has made. */
function callFor(text: string): HookedCall {
  const body = { model: 'apply_guardrail', messages: [{ role: 'user', content: text }] };
  return { id: 'apply_guardrail', operation: 'chat', model: body.model, stream: false, body, startedAt: new Date() };
}
