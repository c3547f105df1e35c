import type { IncomingHttpHeaders } from 'node:http';
import { ApiKeyError } from '../../common/http-errors.js';
import { MASTER_PRINCIPAL } from '../../http/principal.js';
import { RequestContext } from '../../http/request-context.js';
import type { GatewayDesk } from '../gateway.desk.js';

/**
 * What is wrong with the key of a request; otherwise says who sends it. With `keys` a request that
 * the app has authenticated before (`setPrincipal`) needs none.
 */
export async function keyFaultOf(
  { keys, masterKey }: Pick<GatewayDesk, 'keys' | 'masterKey'>,
  request: { readonly headers: IncomingHttpHeaders },
): Promise<Error | undefined> {
  const context = RequestContext.of(request);
  if (keys === null) {
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
