import type { IncomingHttpHeaders } from 'node:http';
import type { AuditActor } from '../../common/audit-log.js';
import { visibleText } from '../../common/visible-text.js';

/** A request that manages keys. */
export interface ManagedRequest {
  readonly headers: IncomingHttpHeaders;
  /** The client's address, by the app's own proxy settings. */
  readonly ip?: string;
}

const LONGEST_ID = 128;

/** The holder of the master key who sends a request, for the audit log. */
export function masterOf(request: ManagedRequest): AuditActor {
  return actorOf(request, 'master');
}

/** Who sends a request that changes something, for the audit log. */
export function actorOf({ headers, ip }: ManagedRequest, actor: string): AuditActor {
  const id = headers['x-request-id'];
  const requestId = typeof id === 'string' && id !== '' ? visibleText(id.slice(0, LONGEST_ID)) : undefined;
  return { actor, address: ip, requestId };
}
