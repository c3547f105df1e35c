import { ModelNotAllowedError, NoDeploymentError, UnsupportedRequestError } from '../../common/http-errors.js';
import { checkObject, checkOneOf, checkString, refuseArgument } from '../../common/options.js';
import type { AccountRequest, ForwardedForm, ForwardedRequest } from '../../apis/wire/forwarded.js';
import { checkNamedModels } from '../../http/named-models.js';
import type { Deployment } from '../call-router.js';
import { upstreamModel } from '../../providers/endpoint/resolution.js';
import { checkBatchFiles } from './batch-files.js';
import { batchedMessages } from './message-batch.js';
import { ACCOUNT_PATHS, type AccountOperation, type Forwarded } from '../../providers/forwarded/forwarded.js';
import { MultipartBody } from '../../providers/forwarded/multipart.js';

/** A request that passes, as the pipeline takes it. */
export interface ForwardedCall {
  /** The fields that are read: model, streaming, prompt. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly forwarded: Forwarded;
}

/** Behind the operation's own path. No dots: a path that climbs is another operation. */
const ACCOUNT_PATH = /^(?:\/(?!\.)[\w.~%+-]{1,512}){0,4}(?:\?[\w.~%&=+:,[\]-]{0,2048})?$/;
const CONTENT = /^\/[^/?]+\/(?:content|results)(?:\?|$)/;
const CANCELLATION = /^\/[^/?]+\/cancel(?:\?|$)/;
/** A stored response can be read as the events of its stream. */
const STREAMED = /[?&]stream=true(?:&|$)/;
const METHODS = ['GET', 'POST', 'DELETE'] as const;

/** Inputs of a request to an account. */
export interface AccountAccess {
  readonly deploymentsOf: (group: string) => readonly Deployment[];
  readonly mayCall: ((model: string) => boolean) | undefined;
  /** Whether budgets apply to the request. */
  readonly holdsMoney: boolean;
}

/** A request to a model. @throws InvalidArgumentError unless `body` is an object or a form. */
export async function modelCall(forwarded: Forwarded, body: ForwardedRequest | ForwardedForm): Promise<ForwardedCall> {
  const form = await formIn(body);
  if (form === undefined) return { fields: checkObject('body', body, refuseArgument), forwarded };
  const stream = form.text('stream');
  const fields = {
    model: form.text('model'),
    stream: stream === undefined ? undefined : stream === 'true',
    prompt: form.text('prompt'),
    n: form.text('n'),
  };
  return { fields, forwarded: { ...forwarded, form } };
}

/**
 * A request to the account of a model group's first deployment: always the same one, because other
 * accounts have other files.
 * @throws InvalidArgumentError naming the wrong part; ModelNotAllowedError; NoDeploymentError for
 * an unknown group; UnsupportedRequestError for a new batch under a budget, because its cost is not
 * reported.
 */
export async function accountCall(
  operation: AccountOperation,
  request: AccountRequest,
  { deploymentsOf, mayCall, holdsMoney }: AccountAccess,
): Promise<ForwardedCall> {
  const { model, method = 'GET', path = '', body } = checkObject('request', request, refuseArgument) as unknown as AccountRequest;
  const group = checkString('model', model, refuseArgument);
  checkOneOf('method', method, METHODS, refuseArgument);
  if (typeof path !== 'string' || !ACCOUNT_PATH.test(path))
    throw refuseArgument('path', path, 'must be a path that starts with a slash, with an optional query');
  if (mayCall?.(group) === false) throw new ModelNotAllowedError(group);
  const [deployment] = deploymentsOf(group);
  if (deployment === undefined) throw new NoDeploymentError(group, 'unknown_model');
  const isBatch = operation === 'batches' || operation === 'message_batches';
  if (holdsMoney && isBatch && method === 'POST' && !CANCELLATION.test(path)) {
    const reason = 'a budget applies, and the provider does not report the cost of a batch';
    throw new UnsupportedRequestError({ provider: deployment.provider, reason, remedy: 'send its requests one by one' });
  }
  const answer = method === 'GET' && CONTENT.test(path) ? 'bytes' : 'json';
  const forwarded: Forwarded = { method, path: ACCOUNT_PATHS[operation] + path, answer, isOfAccount: true };
  const form = await formIn(body);
  const fields = form === undefined && body !== undefined ? checkObject('body', body, refuseArgument) : {};
  if (operation === 'message_batches' && method === 'POST' && body !== undefined) {
    const requests = batchedMessages(fields.requests, { deployment, deploymentsOf, mayCall });
    return { fields: { ...fields, requests, model: deployment.id, stream: undefined }, forwarded };
  }
  const stream = operation === 'stored_responses' && method === 'GET' && STREAMED.test(path) ? true : undefined;
  if (mayCall !== undefined) {
    checkNamedModels({ ...fields, ...form?.fields(), model: group }, mayCall);
    // A batch uses the provider's model names.
    const own = upstreamModel(deployment.model, deployment.params.custom_llm_provider);
    if (form !== undefined) await checkBatchFiles(form, (name) => name === own || mayCall(name));
  }
  return { fields: { ...fields, model: deployment.id, stream }, forwarded: { ...forwarded, form } };
}

async function formIn(body: unknown): Promise<MultipartBody | undefined> {
  if (body instanceof MultipartBody) return body;
  return body instanceof FormData ? MultipartBody.of(body) : undefined;
}
