import { errorMessage } from '../../common/errors.js';
import type { StoredEntity, StoredRow } from './configuration-store.js';
import type { SaltKeys } from './salt-keys.js';
import { openedContent, type RowContent } from './sealed-rows.js';
import {
  credentialContentOf,
  modelContentOf,
  shownValues,
  storedBy,
  unreadableValues,
  type CredentialContent,
  type ModelContent,
  type StoredCredential,
  type StoredModel,
} from './stored-records.js';

/** A model of the store in this process. */
export class LoadedModel {
  private reason: string | undefined;
  private isLeftOut: boolean;

  /** @param content `undefined`: it cannot be decrypted, for the reason `fault` */
  constructor(
    readonly row: StoredRow,
    readonly content: ModelContent | undefined,
    fault: string | undefined,
  ) {
    this.reason = fault;
    this.isLeftOut = content === undefined;
  }

  /** Why it is not in use. */
  get fault(): string | undefined {
    return this.reason;
  }

  /** Whether the router does not have it. */
  get isOut(): boolean {
    return this.isLeftOut;
  }

  /** The router has it, but it cannot be called. */
  note(reason: string): void {
    this.reason = reason;
  }

  leaveOut(reason: string): void {
    this.reason = reason;
    this.isLeftOut = true;
  }

  /** Without secrets. */
  get shown(): StoredModel {
    const { row, content, reason } = this;
    const { modelName, info, isBlocked } = content ?? modelContentOf({ facts: row.plain, values: {} });
    const params = content === undefined ? unreadableValues(row, 'litellm_params') : shownValues(content.params);
    return { id: row.id, modelName, params, info, isBlocked, ...storedBy(row), ...(reason !== undefined && { fault: reason }) };
  }
}

/** A credential of the store in this process. */
export interface LoadedCredential {
  readonly row: StoredRow;
  readonly content: CredentialContent | undefined;
  readonly fault: string | undefined;
  readonly shown: StoredCredential;
}

/** The store's content, decrypted. */
export class LoadedRows {
  static readonly EMPTY = new LoadedRows(new Map(), new Map(), new Map(), new Map());

  private constructor(
    /** By entity and id, with a space between. */
    readonly rows: ReadonlyMap<string, StoredRow>,
    readonly models: ReadonlyMap<string, LoadedModel>,
    readonly credentials: ReadonlyMap<string, LoadedCredential>,
    readonly settings: ReadonlyMap<string, unknown>,
  ) {}

  /**
   * Decrypts all rows. One that was encrypted again with a key that this process does not have
   * keeps its known content: another process rotates the key.
   */
  static of(rows: readonly StoredRow[], keys: SaltKeys | undefined, known: LoadedRows): LoadedRows {
    const all = new Map(rows.map((row) => [keyOf(row.entity, row.id), row]));
    const models = new Map<string, LoadedModel>();
    const credentials = new Map<string, LoadedCredential>();
    const settings = new Map<string, unknown>();
    for (const row of rows) {
      const former = known.rows.get(keyOf(row.entity, row.id));
      const isSame = former !== undefined && former.updatedAt === row.updatedAt && former.createdAt === row.createdAt;
      if (row.entity === 'models') {
        const before = isSame ? known.models.get(row.id)?.content : undefined;
        const { content, fault } = opened(row, keys, modelContentOf, before);
        models.set(row.id, new LoadedModel(row, content, fault));
      } else if (row.entity === 'credentials') {
        const before = isSame ? known.credentials.get(row.id)?.content : undefined;
        const { content, fault } = opened(row, keys, credentialContentOf, before);
        credentials.set(row.id, { row, content, fault, shown: shownCredential(row, content, fault) });
      } else {
        const { content } = opened(row, keys, ({ values }) => Object.values(values)[0], undefined);
        if (content !== undefined) settings.set(row.id, content);
      }
    }
    return new LoadedRows(all, models, credentials, settings);
  }

  allModels(): readonly LoadedModel[] {
    const order = ({ row: { id, plain } }: LoadedModel): string => `${String(plain.model_name)} ${id}`;
    return [...this.models.values()].sort((one, other) => (order(one) < order(other) ? -1 : 1));
  }

  allCredentials(): readonly LoadedCredential[] {
    return [...this.credentials.values()].sort((one, other) => (one.row.id < other.row.id ? -1 : 1));
  }

  faults(): { readonly models: number } {
    return { models: this.allModels().filter(({ isOut }) => isOut).length };
  }

  faultLines(): readonly string[] {
    const ofModels = this.allModels().map(({ row, fault, isOut, content }) => {
      if (fault === undefined) return undefined;
      const name = `the model ${content?.modelName ?? String(row.plain.model_name)} (${row.id})`;
      return `${name} ${isOut ? 'is not used' : 'cannot be called'}: ${fault}`;
    });
    const ofCredentials = this.allCredentials().map(({ row, fault }) => fault && `the credential ${row.id} cannot be used: ${fault}`);
    return [...ofModels, ...ofCredentials].filter((line) => line !== undefined);
  }

  faultText(): string | undefined {
    const lines = this.faultLines();
    return lines.length === 0 ? undefined : lines.slice(0, 3).join('; ') + (lines.length > 3 ? `; and ${lines.length - 3} more` : '');
  }
}

function keyOf(entity: StoredEntity, id: string): string {
  return `${entity} ${id}`;
}

function opened<C>(
  row: StoredRow,
  keys: SaltKeys | undefined,
  read: (content: RowContent) => C,
  before: C | undefined,
): { readonly content: C | undefined; readonly fault: string | undefined } {
  try {
    return { content: read(openedContent(row, keys)), fault: undefined };
  } catch (error) {
    const isRotated = Object.values(row.sealed).some((sealed) => keys?.canRead(sealed) === false);
    return isRotated && before !== undefined ? { content: before, fault: undefined } : { content: undefined, fault: errorMessage(error) };
  }
}

function shownCredential(row: StoredRow, content: CredentialContent | undefined, fault: string | undefined): StoredCredential {
  const { info } = content ?? credentialContentOf({ facts: row.plain, values: {} });
  const values = content === undefined ? unreadableValues(row, 'credential_values') : shownValues(content.values);
  return { name: row.id, values, info, ...storedBy(row), ...(fault !== undefined && { fault }) };
}
