import type { Finding } from '../deployments/callability.js';
import { fateOfParam } from './litellm-keys.js';

/** What is found while a model list is read: said in a few messages for the whole list, not for each entry. */
export class ListReading {
  readonly warnings = new Set<string>();
  /** Deployments that cannot be called. */
  readonly findings: Finding[] = [];
  /** Of those that can. */
  readonly notes: string[] = [];
  /** Parameters of providers, and LiteLLM's own that have no effect here. */
  readonly sent = new Set<string>();
  readonly ignored = new Set<string>();

  /** @param ids that are taken */
  constructor(readonly ids = new Set<string>()) {}

  addParams(params: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(params)) {
      if (value === null || value === undefined) continue;
      const fate = fateOfParam(key);
      if (fate === 'sent') this.sent.add(key);
      // `max_retries: 0`, which many write for the provider's SDK, says nothing of ours.
      else if (fate === 'ignored' && value !== false && value !== 0) this.ignored.add(key);
    }
  }
}

/** What becomes of parameters, in one message. */
export function paramsMessage(sent: readonly string[], ignored: readonly string[]): string | undefined {
  const parts = [
    sent.length > 0 && `sent with every request, unless it has them: ${sent.join(', ')}`,
    ignored.length > 0 && `LiteLLM's own, no effect here: ${ignored.join(', ')}`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? undefined : `litellm_params: ${parts.join('; ')}`;
}
