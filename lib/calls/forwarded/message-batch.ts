import { ModelNotAllowedError } from '../../common/http-errors.js';
import type { Fields } from '../../common/objects.js';
import { checkArray, checkObject, checkString, refuseArgument } from '../../common/options.js';
import { checkNamedModels } from '../../http/named-models.js';
import { upstreamModel } from '../../providers/endpoint/resolution.js';
import type { Deployment } from '../call-router.js';

/** The account that a batch is sent to, and who sends it. */
export interface BatchAccount {
  readonly deployment: Deployment;
  readonly deploymentsOf: (group: string) => readonly Deployment[];
  readonly mayCall: ((model: string) => boolean) | undefined;
}

/**
 * The requests of a batch of messages, with the provider's names of their models. Each names a
 * model group whose deployment is in the batch's account, or the account's own model.
 * @throws InvalidArgumentError naming the request; ModelNotAllowedError
 */
export function batchedMessages(requests: unknown, account: BatchAccount): readonly Fields[] {
  const own = nameAt(account.deployment);
  const names = new Map<string, string>([[own, own]]);
  const read = (path: string, value: unknown): Fields => {
    const request = checkObject(path, value, refuseArgument);
    const params = checkObject(`${path}.params`, request.params, refuseArgument);
    const { model, ...others } = params;
    const name = checkString(`${path}.params.model`, model, refuseArgument);
    if (account.mayCall !== undefined) checkNamedModels(others, account.mayCall);
    let known = names.get(name);
    if (known === undefined) names.set(name, (known = nameInAccount(`${path}.params.model`, name, account)));
    return { ...request, params: { ...params, model: known } };
  };
  return checkArray('requests', requests, read, refuseArgument);
}

function nameInAccount(path: string, name: string, { deployment, deploymentsOf, mayCall }: BatchAccount): string {
  if (mayCall?.(name) === false) throw new ModelNotAllowedError(name, path);
  const found = deploymentsOf(name).find((each) => isSameAccount(each, deployment));
  if (found !== undefined) return nameAt(found);
  throw refuseArgument(path, name, `must be a model of the account that the batch is sent to (${deployment.modelName})`);
}

function nameAt({ model, params }: Deployment): string {
  return upstreamModel(model, params.custom_llm_provider);
}

/** Deployments with one address and one key. */
export function isSameAccount(one: Deployment, other: Deployment): boolean {
  const fields = ['api_base', 'base_url', 'api_key'] as const;
  return one.provider === other.provider && fields.every((name) => one.params[name] === other.params[name]);
}
