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

/** By the parameters of a deployment: the tier that they set. */
const tiers = new WeakMap<Fields, DearTier | null>();

/** The most expensive tier that the request, the fallback or the deployment sets. */
export function tierOfAttempt({ call, target, selection }: AskedAttempt): DearTier | undefined {
  const { params } = selection.deployment;
  let own = tiers.get(params);
  if (own === undefined) tiers.set(params, (own = dearerTier(askedTier(params), askedTier(addedFields(params))) ?? null));
  const asked = own === null ? call.asked.tier : dearerTier(call.asked.tier, own);
  return target.overrides === undefined ? asked : dearerTier(asked, askedTier(target.overrides));
}
