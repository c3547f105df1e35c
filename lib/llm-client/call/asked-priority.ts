import { addedFields } from './added-fields.js';
import { asksPriority } from '../../http/token-estimate/asked-tier.js';

type Fields = Readonly<Record<string, unknown>>;

/** What an attempt sends, as far as it names a service tier. */
interface AskedAttempt {
  readonly call: { readonly description: { readonly asksPriority?: boolean } };
  readonly target: { readonly overrides?: Fields };
  readonly selection: { readonly deployment: { readonly params: Fields } };
}

/** Whether the request, the fallback or the deployment asks for the priority tier. */
export function asksForPriority({ call, target, selection }: AskedAttempt): boolean {
  const { params } = selection.deployment;
  return (
    call.description.asksPriority === true ||
    asksPriority(target.overrides ?? {}) ||
    asksPriority(params) ||
    asksPriority(addedFields(params))
  );
}
