import type { MetricSample } from '../../common/capability.js';
import type { LogSink } from '../../common/log-sink.js';
import { refuseOption } from '../../common/options.js';
import { callHookOptionsOf, isCallHook, resolveCallHookOptions, type CallHookOptions, type ModelCallHook } from './call-hook.js';
import type { CallRequest } from '../call-request.js';
import { InstalledHook } from './installed-hook.js';
import { RunningCall } from './running-call.js';

/** The hooks of a client, in their order. */
export class CallHooks {
  private installed: readonly InstalledHook[] = [];

  constructor(private readonly log: LogSink) {}

  get isEmpty(): boolean {
    return this.installed.length === 0;
  }

  /**
   * Returns the function that removes the hook.
   * @param options Default: those of its `@CallHook()`.
   * @throws InvalidConfigurationError for no hook, or a wrong option.
   */
  add(hook: ModelCallHook, options?: CallHookOptions): () => void {
    if (!isCallHook(hook))
      throw refuseOption('hooks', hook, 'must be an object with at least one call hook method, such as onRequest or onEnd');
    const name = nameOf(hook);
    const resolved = resolveCallHookOptions(`hooks.${name}`, options ?? callHookOptionsOf(hook.constructor));
    const added = new InstalledHook(name, hook, resolved, this.log);
    // The sort is stable: hooks of equal order stay in the order in which they were added.
    this.installed = [...this.installed, added].sort((a, b) => a.options.order - b.options.order);
    return () => void (this.installed = this.installed.filter((each) => each !== added));
  }

  /** A call that begins now, with the hooks that take part in it; `undefined`: none does. */
  running(asked: CallRequest, body: Readonly<Record<string, unknown>>): RunningCall | undefined {
    const hooks = this.of(asked.operation);
    return hooks.length === 0 ? undefined : new RunningCall(hooks, asked, body);
  }

  /** Those that take part in calls of an operation that begin now. */
  of(operation: string): readonly InstalledHook[] {
    return this.installed.filter((each) => each.takesPartIn(operation));
  }

  metrics(): readonly MetricSample[] {
    return this.installed.map(({ name, failures }) => ({
      name: 'llm_client_hook_failures_total',
      help: 'Errors and timeouts of call hooks',
      type: 'counter',
      value: failures,
      labels: { hook: name },
    }));
  }
}

function nameOf({ constructor }: object): string {
  return typeof constructor === 'function' && constructor.name !== '' ? constructor.name : 'hook';
}
