import type { Finding } from '../deployments/callability.js';
import { fateOfParam } from './litellm-keys.js';

/** Findings about a model list, collected for a few messages about the whole list. */
export class ListReading {
  readonly warnings = new Set<string>();
  /** About deployments that cannot be called. */
  readonly findings: Finding[] = [];
  /** About deployments that can be called. */
  readonly notes: string[] = [];
  /** Parameters that are sent to the provider, and those of LiteLLM without effect. */
  readonly sent = new Set<string>();
  readonly ignored = new Set<string>();

  /** @param ids the ids that are taken */
  constructor(readonly ids = new Set<string>()) {}

  addParams(params: Readonly<Record<string, unknown>>): void {
    for (const [key, value] of Object.entries(params)) {
      if (value === null || value === undefined) continue;
      const fate = fateOfParam(key);
      if (fate === 'sent') this.sent.add(key);
      // Many set `max_retries: 0` for the provider's SDK; it does not concern our retries.
      else if (fate === 'ignored' && value !== false && value !== 0) this.ignored.add(key);
    }
  }
}

/** Returns one message about the effect of parameters. */
export function paramsMessage(sent: readonly string[], ignored: readonly string[]): string | undefined {
  const parts = [
    sent.length > 0 && `sent with every request that does not set them: ${sent.join(', ')}`,
    ignored.length > 0 && `LiteLLM parameters without effect: ${ignored.join(', ')}`,
  ].filter((part) => part !== false);
  return parts.length === 0 ? undefined : `litellm_params: ${parts.join('; ')}`;
}
