import { InvalidArgumentError } from '../../common/errors.js';
import { checkNumber, checkOneOf, checkString, refuseArgument } from '../../common/options.js';
import type { Principal } from '../../http/principal.js';
import type { QueuePlace } from '../../queue/call-queue.js';
import { lowerOf, QUEUE_CLASSES, type QueueClass } from '../../queue/queue-class.js';
import { lowered, tenantIn } from '../../http/guard/queue-place.js';
import { RequestContext } from '../../http/request-context.js';
import type { QueuedCaller, QueueOptions } from '../../queue/queue.options.js';

/** Settings of program and request for the place of a call. */
export interface AskedPlace {
  readonly tenant?: string;
  readonly queueClass?: QueueClass;
  /** By the body's `priority`. */
  readonly callerClass?: QueueClass;
}

/** Calls without a request and a tenant share this one. */
const PROCESS = 'process';
const LONGEST_TENANT = 256;

/**
 * The place of a call: of its tenant, and its class. A header can only lower the class, the body's
 * `priority` can raise it where `mayRaise` allows that.
 * @throws InvalidArgumentError for a function of the options that returns something else
 */
export function placeOf(caller: QueuedCaller, asked: AskedPlace, options: QueueOptions): QueuePlace {
  const { request } = caller;
  const { tenantOf, weightOf, classOf, mayRaise } = options;
  const tenant =
    tenantOf === undefined ? (asked.tenant ?? tenantOfRequest(request)) : checkString('queue.tenantOf', tenantOf(caller), refuseArgument);
  if (tenant.length > LONGEST_TENANT)
    throw new InvalidArgumentError('queue.tenant', tenant.length, `must have at most ${LONGEST_TENANT} characters`);
  const own = asked.queueClass ?? classOf?.(caller) ?? principalIn(request)?.priority ?? 'default';
  const known = checkOneOf('queue.classOf', own, QUEUE_CLASSES, refuseArgument);
  const weight = checkNumber('queue.weightOf', weightOf?.(tenant) ?? 1, { min: 0.1, max: 1_000 }, refuseArgument);
  return { tenant, weight, queueClass: classFor(known, asked, { request, mayRaise: () => mayRaise?.(caller) === true }) };
}

function classFor(
  own: QueueClass,
  { callerClass }: AskedPlace,
  { request, mayRaise }: { readonly request: object | undefined; readonly mayRaise: () => boolean },
): QueueClass {
  return lowered(callerClass === undefined ? own : mayRaise() ? callerClass : lowerOf(own, callerClass), request);
}

function tenantOfRequest(request: object | undefined): string {
  return request === undefined ? PROCESS : tenantIn(request, principalIn(request));
}

/** Who sends the request, if a guard has authenticated it. */
function principalIn(request: object | undefined): Principal | undefined {
  return request === undefined ? undefined : RequestContext.principalOf(request);
}
