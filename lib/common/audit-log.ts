/** The author of a change, and the request that made it. */
export interface AuditActor {
  /**
   * Public id of a key, `master`, `dashboard:` with the start of a session's id, or a name that the
   * app sets; `app` for changes made in its code.
   */
  readonly actor: string;
  /** The client's address. */
  readonly address?: string;
  /** `x-request-id` of the request. */
  readonly requestId?: string;
}

/** A change for the audit log. Secrets are masked when it is recorded. */
export interface AuditEntry extends AuditActor {
  /**
   * `created`, `updated`, `deleted`, `blocked`, `unblocked`, `rotated`, or a word that the app
   * sets.
   */
  readonly action: string;
  /** Kind of the changed object: `keys`, `teams`, `models`. */
  readonly entity: string;
  readonly entityId: string;
  /** The object before the change. */
  readonly before?: object;
  /** The object after the change. */
  readonly after?: object;
}

/** An entry of the log. */
export interface RecordedAuditEntry extends AuditEntry {
  readonly id: string;
  readonly at: Date;
}

/** Selects entries, newest first. */
export interface AuditQuery {
  /** Id of one entry. */
  readonly id?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly entity?: string;
  readonly entityId?: string;
  readonly since?: Date;
  /** Exclusive. */
  readonly until?: Date;
  /** Default `false`: newest first. */
  readonly oldestFirst?: boolean;
  /** Default 100, at most 1,000. */
  readonly limit?: number;
  readonly offset?: number;
}

/** A page of entries. */
export interface AuditPage {
  readonly entries: readonly RecordedAuditEntry[];
  /** Number of entries on all pages; exact up to 100,000. */
  readonly total: number;
}

/** An append-only log of who changed what, and when. */
export interface AuditLog {
  /**
   * Writes an entry. Never rejects: an entry that cannot be written now is kept in memory and
   * written later, in order. Await it in requests that change something.
   * @returns whether it is written
   */
  record(entry: AuditEntry): Promise<boolean>;
  /** Returns entries. Rejects while the store is unavailable. */
  search(query: AuditQuery): Promise<AuditPage>;
}

/** The name of changes that the app's own code makes. */
export const APP_ACTOR: AuditActor = { actor: 'app' };

const MASK = '***';
const SECRET_NAME = /secret|passw|credential|private_?key|api_?key|authorization|^hash(?:es)?$|sha256|(?:^|[a-z_])token$/i;
const SECRET_TEXT = /\bsk-[\w.-]{13,}|\bBearer\s+\S+|:\/\/[^/\s:@]*:[^/\s@]+@/;
const DEEPEST = 100;

/** An object for the log: secrets are masked, by the names of their fields and by their form. */
export function maskSecrets(value: unknown, levels = DEEPEST): unknown {
  if (typeof value === 'string') return SECRET_TEXT.test(value) ? MASK : value;
  if (typeof value !== 'object' || value === null) return value;
  if (levels === 0) return MASK;
  if (Array.isArray(value)) return value.map((entry) => maskSecrets(entry, levels - 1));
  const fields = Object.entries(value).map(([name, entry]) => [name, SECRET_NAME.test(name) ? MASK : maskSecrets(entry, levels - 1)]);
  return Object.fromEntries(fields) as unknown;
}
