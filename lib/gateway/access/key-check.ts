import { ApiKeyError } from '../../common/http-errors.js';
import { MASTER_PRINCIPAL } from '../../http/principal.js';
import { RequestContext } from '../../http/request-context.js';
import { gatewayError } from '../errors.js';
import type { GatewayDesk } from '../gateway.desk.js';
import { anonymousPrincipal, type KeyedRequest } from './anonymous.js';

const ONLY_HERE = 'This gateway has no master key, so only clients on the same machine can use it, without a proxy.';

/**
 * What is wrong with the key of a request; otherwise sets who sends it. With `keys`, a request that
 * the app has authenticated before (`setPrincipal`) needs none.
 */
export async function keyFaultOf(
  { keys, masterKey, openTo }: Pick<GatewayDesk, 'keys' | 'masterKey' | 'openTo'>,
  request: KeyedRequest,
): Promise<Error | undefined> {
  const context = RequestContext.of(request);
  if (openTo !== null) {
    context.principal ??= anonymousPrincipal(request, openTo === 'all');
    if (context.principal !== undefined) return undefined;
  }
  if (keys === null) {
    if (openTo !== null) return gatewayError(401, 'invalid_api_key', ONLY_HERE);
    const fault = masterKey?.faultIn(request.headers);
    // Limits count under the key that was checked, whatever other headers say.
    if (masterKey !== null && fault === undefined) context.principal ??= MASTER_PRINCIPAL;
    return fault;
  }
  try {
    context.principal ??= await keys.authenticate(request.headers);
    return undefined;
  } catch (error) {
    if (error instanceof ApiKeyError) return error;
    throw error;
  }
}
