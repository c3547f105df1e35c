import type { IncomingHttpHeaders } from 'node:http';
import { ApiKeyError } from '../../common/http-errors.js';
import { RequestContext } from '../../http/request-context.js';
import type { GatewayDesk } from '../gateway.desk.js';

/**
 * What is wrong with the key of a request, and with `keys` who sends it. A request that the app has
 * authenticated before (`setPrincipal`) needs no key.
 */
export async function keyFaultOf(
  { keys, masterKey }: Pick<GatewayDesk, 'keys' | 'masterKey'>,
  request: { readonly headers: IncomingHttpHeaders },
): Promise<Error | undefined> {
  if (keys === null) return masterKey?.faultIn(request.headers);
  const context = RequestContext.of(request);
  try {
    context.principal ??= await keys.authenticate(request.headers);
    return undefined;
  } catch (error) {
    if (error instanceof ApiKeyError) return error;
    throw error;
  }
}
