import type { Fields } from '../common/objects.js';
import { askedTier, dearerTier, type DearTier } from '../http/token-estimate/asked-tier.js';
import type { AskedCall } from './asked-call.js';
import { addedFields } from '../providers/own-fields.js';

/** The parts of an attempt that can set a service tier. */
interface AskedAttempt {
  readonly call: { readonly asked: Pick<AskedCall, 'tier'> };
  readonly target: { readonly overrides?: Fields };
  readonly selection: { readonly deployment: { readonly params: Fields } };
}

/** The most expensive tier that the request, the fallback or the deployment sets. */
export function tierOfAttempt({ call, target, selection }: AskedAttempt): DearTier | undefined {
  const { params } = selection.deployment;
  return [target.overrides ?? {}, params, addedFields(params)].map(askedTier).reduce(dearerTier, call.asked.tier);
}
