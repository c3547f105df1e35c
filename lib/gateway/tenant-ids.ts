import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { editedStream, type AnswerForm } from '../calls/stream/answer-forms.js';
import type { Deployment } from '../router/deployments/deployment.js';
import type { Principal } from '../http/principal.js';
import type { RouterService } from '../router/router.service.js';
import { AnonymousPrincipal } from './access/anonymous.js';

/** Objects that providers store, and that belong to the tenant that has created them. */
export type StoredKind = 'response' | 'message_batch';

interface IdForm {
  /** In front of encoded ids. The provider's have no `fl1` there. */
  readonly prefix: string;
  readonly encoded: RegExp;
}

const FORMS: Readonly<Record<StoredKind, IdForm>> = {
  response: { prefix: 'resp_fl1', encoded: /^resp_fl1([\w-]{35,700})$/ },
  message_batch: { prefix: 'msgbatch_fl1', encoded: /^msgbatch_fl1([\w-]{35,700})$/ },
};
/** An id of a provider, of which the digits are packed. */
const HEXADECIMAL = /^resp_((?:[0-9a-f]{2}){8,128})$/;
/** The ids in answers and events. Within a text their quotes would be escaped. */
const IN_ANSWER = /("(?:id|response_id|previous_response_id)"\s{0,8}:\s{0,8}")(resp_[\w-]{1,500})"/g;
const MARK = Buffer.from('"resp_');
const [PLAIN, PACKED] = [0, 1];
const DEPLOYMENT_BYTES = 8;
const TAG_BYTES = 16;
const HEAD_BYTES = 1 + DEPLOYMENT_BYTES;

/** A stored object: the deployment that has it, and its id there. */
export interface StoredObject {
  readonly deployment: Deployment;
  readonly id: string;
}

/** The owner of an id. */
export interface IdOwner {
  readonly deploymentId: string;
  readonly principal: Principal | undefined;
}

/**
 * Ids of stored responses and message batches as clients get them. They contain the deployment
 * whose account has the object, and a tag that binds them to their tenant: a key's team, else the
 * key.
 *
 *     resp_fl1 + base64url( kind | deployment (8) | id at the provider | HMAC-SHA-256 tag (16) )
 *
 * Nothing is stored, so any process with the same secret reads them.
 */
export class TenantIds {
  private readonly keys: Readonly<Record<StoredKind, Buffer>> | undefined;

  /** @param secret `undefined`: ids stay the provider's, because tenants could forge others */
  constructor(secret: string | undefined) {
    const keyOf = (purpose: string): Buffer => createHash('sha256').update(`${purpose}:${secret}`).digest();
    this.keys = secret === undefined ? undefined : { response: keyOf('response-ids'), message_batch: keyOf('message-batch-ids') };
  }

  /** The id of an object for its tenant; the provider's own without a secret. */
  encode(kind: StoredKind, id: string, { deploymentId, principal }: IdOwner): string {
    const { prefix, encoded } = FORMS[kind];
    if (this.keys === undefined || encoded.test(id)) return id;
    const [, digits] = (kind === 'response' && HEXADECIMAL.exec(id)) || [];
    const own = digits === undefined ? Buffer.from(id) : Buffer.from(digits, 'hex');
    const body = Buffer.concat([Buffer.of(digits === undefined ? PLAIN : PACKED), hashOf(deploymentId), own]);
    return prefix + Buffer.concat([body, tagOf(this.keys[kind], body, tenantOf(principal))]).toString('base64url');
  }

  /** Writes the ids of responses in answers. @param asked id by which the client has asked */
  responseForm(owner: IdOwner, asked?: string): AnswerForm | undefined {
    if (this.keys === undefined) return undefined;
    const shown = (id: string): string => (id === asked ? id : this.encode('response', id, owner));
    const edit = (bytes: Buffer): Buffer => {
      if (!bytes.includes(MARK)) return bytes;
      const edited = bytes.toString('latin1').replace(IN_ANSWER, (_, key: string, id: string) => `${key}${shown(id)}"`);
      return Buffer.from(edited, 'latin1');
    };
    return { whole: edit, stream: (client) => editedStream(client, edit) };
  }

  /**
   * The object of an id; `raw`: it is a provider's own, which tenants cannot name. `undefined`: it
   * is of another tenant, or its deployment does not exist.
   */
  find(
    kind: StoredKind,
    id: string,
    principal: Principal | undefined,
    router: Pick<RouterService, 'deployments'>,
  ): StoredObject | 'raw' | undefined {
    const [, encoded] = FORMS[kind].encoded.exec(id) ?? [];
    if (encoded === undefined || this.keys === undefined) return isTenant(principal) ? undefined : 'raw';
    const bytes = Buffer.from(encoded, 'base64url');
    const body = bytes.subarray(0, bytes.length - TAG_BYTES);
    const isOwn = timingSafeEqual(tagOf(this.keys[kind], body, tenantOf(principal)), bytes.subarray(-TAG_BYTES));
    if (!isOwn && principal?.isAdmin !== true) return undefined;
    const hash = body.subarray(1, HEAD_BYTES);
    const deployment = router.deployments().find((each) => hash.equals(hashOf(each.id)));
    if (deployment === undefined) return undefined;
    const rest = body.subarray(HEAD_BYTES);
    return { deployment, id: body[0] === PACKED ? `resp_${rest.toString('hex')}` : rest.toString('utf8') };
  }
}

function tagOf(key: Buffer, body: Buffer, tenant: string): Buffer {
  return createHmac('sha256', key).update(body).update('\n').update(tenant).digest().subarray(0, TAG_BYTES);
}

function hashOf(deploymentId: string): Buffer {
  return createHash('sha256').update(deploymentId).digest().subarray(0, DEPLOYMENT_BYTES);
}

/** Whether a sender sees only its own objects. */
function isTenant(principal: Principal | undefined): boolean {
  return principal !== undefined && !principal.isAdmin && !(principal instanceof AnonymousPrincipal);
}

/** Keys of a team share its objects. */
function tenantOf(principal: Principal | undefined): string {
  if (principal === undefined || !isTenant(principal)) return '';
  return principal.team === undefined ? principal.limitKey : `team:${principal.team}`;
}
