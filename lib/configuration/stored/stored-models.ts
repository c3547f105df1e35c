import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { APP_ACTOR, maskSecrets, type AuditActor, type AuditEntry, type AuditLog } from '../../common/audit-log.js';
import { samplesOf, type Capability, type CapabilityHealth, type MetricSample } from '../../common/capability.js';
import { errorMessage, InvalidArgumentError, NO_VALUE } from '../../common/errors.js';
import type { LogSink } from '../../common/log-sink.js';
import { definedFields, type Fields } from '../../common/objects.js';
import { checkBoolean, checkKnownKeys, checkObject, checkString, refuseArgument } from '../../common/options.js';
import type { AddressGuard } from '../../connection-pool/connection/address-guard.js';
import type { Deployment, ModelListEntry } from '../../router/deployments/deployment.js';
import type { CheckedDeployment } from '../../router/config/deployment-list.js';
import type { ConfigurationStore, ConfigurationStoreSource, StoredEntity, StoredRow } from './configuration-store.js';
import { LoadedRows, type LoadedCredential, type LoadedModel } from './loaded-rows.js';
import type { SaltKeys } from './salt-keys.js';
import { sealedContent, type RowContent } from './sealed-rows.js';
import { StoredConfigurationError } from './stored-errors.js';
import {
  CREDENTIAL_NAME,
  credentialRowContent,
  entryOf,
  modelRowContent,
  shownValues,
  type CredentialContent,
  type ModelContent,
  type StoredCredential,
  type StoredModel,
} from './stored-records.js';
import { changedInfo, changedValues, type Discarded } from './stored-changes.js';
import { addressesIn, addressKeyOf, checkStoredInfo, checkStoredParams, divided, refuseReferences } from './stored-values.js';

/** A model to create, in the format of LiteLLM's `model_list`. */
export interface NewStoredModel {
  /** The name that clients request. Models of one name share its requests. */
  readonly modelName: string;
  /** `litellm_params`: `model`, `api_key`, `api_base`, … Values only, no `os.environ/NAME`. */
  readonly params: Readonly<Record<string, unknown>>;
  /** `model_info`: `id` (default: a new UUID), `mode`, `max_input_tokens`, … */
  readonly info?: Readonly<Record<string, unknown>>;
}

/** Changes to a model. Absent fields and absent entries of objects are kept; `null` removes one. */
export interface StoredModelChanges {
  readonly modelName?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly info?: Readonly<Record<string, unknown>>;
  /** `true` takes it out of rotation. */
  readonly isBlocked?: boolean;
}

/** A written model, with notes for the caller. */
export interface WrittenModel {
  readonly model: StoredModel;
  /** Unknown fields, and fields without effect. */
  readonly warnings: readonly string[];
  /** Secrets that were deleted because the address changed and they were not sent again. */
  readonly discarded: readonly string[];
}

/** A written credential. */
export interface WrittenCredential {
  readonly credential: StoredCredential;
  readonly discarded: readonly string[];
}

/** A credential to create. */
export interface NewStoredCredential {
  readonly name: string;
  /** `credential_values`: `api_key`, `api_base`, … Values only. */
  readonly values: Readonly<Record<string, unknown>>;
  readonly info?: Readonly<Record<string, unknown>>;
}

/** Changes to a credential. Absent entries are kept; `null` removes one. */
export interface StoredCredentialChanges {
  readonly values?: Readonly<Record<string, unknown>>;
  readonly info?: Readonly<Record<string, unknown>>;
}

/** Result of a test call. */
export interface ModelTest {
  readonly state: 'healthy' | 'unhealthy' | 'untested';
  /** Why it is not healthy. */
  readonly reason?: string;
  readonly durationMs?: number;
}

/** The configuration in use: `ConfigurationService`. */
export interface LiveModels {
  /** Ids of the deployments that the file or the app's code defines. */
  fileModelIds(): ReadonlySet<string>;
  /** Replaces the models of the store, at once. Invalid ones are omitted. */
  useStoredModels(entries: readonly ModelListEntry[], options: { readonly isStart: boolean }): void;
  /** Replaces the settings of the store, by their path. @throws Error naming the setting */
  useStoredSettings(settings: ReadonlyMap<string, unknown>): void;
  /** Entries that were left out. */
  leftOut(): readonly { readonly entry: ModelListEntry; readonly message: string }[];
}

/** How a deployment is reached. */
export interface DeploymentAddress {
  readonly origin: string;
  /** Whether its requests have credentials, of any source. */
  readonly isAuthorized: boolean;
}

/** Dependencies of `StoredModels`. */
export interface StoredModelsContext {
  /** `undefined`: nothing can be stored. */
  readonly source: ConfigurationStoreSource | undefined;
  /** `undefined`: no secret can be stored or read. */
  readonly keys: SaltKeys | undefined;
  readonly guard: AddressGuard;
  readonly live: LiveModels;
  readonly read: (entry: ModelListEntry, replacedId: string) => CheckedDeployment;
  readonly addressOf: (deployment: Deployment) => DeploymentAddress | undefined;
  /** Ids whose connections are checked. Filled here. */
  readonly guarded: Set<string>;
  /** Makes a small call. Rejects if it fails, and resolves to `false` for a mode without a test. */
  readonly call: (id: string) => Promise<boolean>;
  readonly log: LogSink;
  /** If the store keeps no audit log. */
  readonly audit?: AuditLog;
}

/** What to do if nothing can be stored. */
export const NO_STORE =
  'no store is configured; set admin.store to postgresStore({ url }) or fileConfigurationStore(path), or start serve with DATABASE_URL';
const LONGEST_NAME = 256;
/** PostgreSQL cannot store it. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;
/** A change by another process while this one writes. */
const MOST_CONFLICTS = 5;
const RETRY_MS = 1_000;
const sample = samplesOf('stored_configuration');

/**
 * Manages the models and credentials of the admin API: stores them with encrypted secrets, and
 * makes the router of every process use them. All methods that write throw `InvalidArgumentError`
 * naming the field, or `StoredConfigurationError`; nothing has changed then.
 */
export class StoredModels implements Capability {
  readonly capability = 'stored_configuration';
  private loaded = LoadedRows.EMPTY;
  private usedSettings: ReadonlyMap<string, unknown> = new Map();
  private failure: string | undefined = undefined;
  private stopListening: (() => void) | undefined = undefined;
  private timer: NodeJS.Timeout | undefined = undefined;
  private isClosed = false;
  /** Loads and writes of this process happen one after the other. */
  private work: Promise<unknown> = Promise.resolve();
  /** A load that has not begun yet; changes that arrive until then need no further load. */
  private nextLoad: Promise<void> | undefined = undefined;
  private readonly listeners: (() => void)[] = [];
  private readonly heard = new Set<string>();

  /** @internal Made by `FastLiteLLMAdminModule`. */
  constructor(private readonly context: StoredModelsContext) {}

  /** Loads the store and follows its changes. Never rejects; health reports failures. */
  async start(): Promise<void> {
    const { source, log } = this.context;
    if (source === undefined) return;
    try {
      this.stopListening = source.configuration.onChange(() => void this.reload());
    } catch (error) {
      this.failure = errorMessage(error);
      log.error(`Stored models: cannot watch the store (${this.failure})`);
    }
    await this.reload();
  }

  /** Whether there is a store. */
  get hasStore(): boolean {
    return this.context.source !== undefined;
  }

  /** Calls `listener` after models, credentials or settings were loaded or changed. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** Returns the models of the store, sorted by name and id. */
  list(): readonly StoredModel[] {
    return this.loaded.allModels().map((model) => model.shown);
  }

  /** Returns a model of the store; `undefined` if it is not in the store. */
  find(id: string): StoredModel | undefined {
    return this.loaded.models.get(id)?.shown;
  }

  /** Whether the file or the app's code defines a model, so that it cannot be changed here. */
  isInFile(id: string): boolean {
    return this.context.live.fileModelIds().has(id);
  }

  /** Adds a model. @param by The actor, for the audit log. Default: the app. */
  async create(model: NewStoredModel, by: AuditActor = APP_ACTOR): Promise<WrittenModel> {
    checkKnownKeys('', checkObject('model', model, refuseArgument), ['modelName', 'params', 'info'], refuseArgument);
    return this.exclusively(async () => {
      const { id: given, ...info } = changedInfo({}, checkObject('model_info', model.info ?? {}, refuseArgument));
      const id = given === undefined ? randomUUID() : checkId('model_info.id', given);
      this.refuseInFile(id);
      const { values: params } = changedValues({}, checkObject('litellm_params', model.params, refuseArgument));
      const content: ModelContent = { modelName: checkId('model_name', model.modelName), params, info, isBlocked: false };
      const warnings = await this.checkModel(id, content);
      const after = { modelName: content.modelName, params: shownValues(params), info };
      const isNew = await this.write({ entity: 'models', id, content: modelRowContent(content), before: undefined, by }, 'created', {
        after,
      });
      if (!isNew)
        throw new StoredConfigurationError('CONFIGURATION_CONFLICT', `the model ${id} already exists; use another id, or update it`);
      return { model: await this.written(id), warnings, discarded: [] };
    });
  }

  /**
   * Changes a model. If its address or provider changes, its secrets are deleted unless they are in
   * the changes.
   */
  async update(id: string, changes: StoredModelChanges, by: AuditActor = APP_ACTOR): Promise<WrittenModel> {
    checkKnownKeys('', checkObject('changes', changes, refuseArgument), ['modelName', 'params', 'info', 'isBlocked'], refuseArgument);
    return this.exclusively(() =>
      this.repeated(async () => {
        const loaded = await this.existingModel(id);
        const before = contentOf(loaded);
        const { values: params, discarded } = this.changedParams(before.params, changes.params);
        const content: ModelContent = {
          modelName: changes.modelName === undefined ? before.modelName : checkId('model_name', changes.modelName),
          params,
          info: changedInfo(before.info, checkObject('model_info', { ...changes.info, id: undefined }, refuseArgument)),
          isBlocked: changes.isBlocked === undefined ? before.isBlocked : checkBoolean('isBlocked', changes.isBlocked, refuseArgument),
        };
        const warnings = await this.checkModel(id, content, discarded);
        const was = before.isBlocked === content.isBlocked ? 'updated' : content.isBlocked ? 'blocked' : 'unblocked';
        const isWritten = await this.write({ entity: 'models', id, content: modelRowContent(content), before: loaded.row, by }, was, {
          before: auditOf(before),
          after: auditOf(content),
        });
        return isWritten ? { model: await this.written(id), warnings, discarded } : undefined;
      }),
    );
  }

  /** Deletes a model. */
  async remove(id: string, by: AuditActor = APP_ACTOR): Promise<StoredModel> {
    return this.exclusively(async () => {
      const { shown } = await this.existingModel(id);
      const { modelName, params, info, isBlocked } = shown;
      await this.deleteRow('models', id, {
        ...by,
        action: 'deleted',
        entity: 'models',
        entityId: id,
        before: { modelName, params, info, isBlocked },
      });
      return shown;
    });
  }

  /**
   * Calls a model once, with the smallest request of its mode. The provider bills it.
   * @throws StoredConfigurationError if the router has no deployment with this id
   */
  async test(id: string): Promise<ModelTest> {
    const fault = this.find(id)?.fault;
    if (fault !== undefined) return { state: 'unhealthy', reason: fault };
    const startMs = performance.now();
    const durationMs = (): number => Math.round(performance.now() - startMs);
    try {
      const isTested = await this.context.call(id);
      return isTested ? { state: 'healthy', durationMs: durationMs() } : { state: 'untested', reason: 'its mode has no test call' };
    } catch (error) {
      if (error instanceof StoredConfigurationError) throw error;
      return { state: 'unhealthy', reason: reasonOf(error), durationMs: durationMs() };
    }
  }

  /** Returns the credentials of the store, sorted by name. */
  credentials(): readonly StoredCredential[] {
    return this.loaded.allCredentials().map((credential) => credential.shown);
  }

  /** Returns a credential of the store. */
  findCredential(name: string): StoredCredential | undefined {
    return this.loaded.credentials.get(name)?.shown;
  }

  /** Returns the name of the credential that a model uses; `undefined` for its own values. */
  credentialOf(id: string): string | undefined {
    const { content } = this.loaded.models.get(id) ?? {};
    const name = content?.params[CREDENTIAL_NAME];
    return typeof name === 'string' ? name : undefined;
  }

  /** Adds a credential, which models refer to with `litellm_credential_name`. */
  async createCredential(credential: NewStoredCredential, by: AuditActor = APP_ACTOR): Promise<WrittenCredential> {
    return this.exclusively(() => this.addCredential(credential, by));
  }

  /** Adds a credential with a model's own credentials and address. */
  async createCredentialOf(
    id: string,
    { name, info }: Omit<NewStoredCredential, 'values'>,
    by: AuditActor = APP_ACTOR,
  ): Promise<WrittenCredential> {
    return this.exclusively(async () => {
      const { params } = contentOf(await this.existingModel(id));
      const { secret } = divided(params);
      const addresses = addressesIn(params).map(([field]) => [field, params[field]]);
      const values = { ...Object.fromEntries(addresses), ...secret, ...definedFields({ api_version: params.api_version }) } as Fields;
      if (Object.keys(values).length === 0) throw new InvalidArgumentError('model_id', id, 'must be a model with its own credentials');
      return this.addCredential({ name, values, info }, by);
    });
  }

  /** Changes a credential, as `update` changes a model. */
  async updateCredential(name: string, changes: StoredCredentialChanges, by: AuditActor = APP_ACTOR): Promise<WrittenCredential> {
    return this.exclusively(() =>
      this.repeated(async () => {
        const loaded = await this.existingCredential(name);
        const before = contentOf(loaded);
        const { values, discarded } = changedValues(before.values, checkObject('credential_values', changes.values ?? {}, refuseArgument));
        const content: CredentialContent = { values, info: changedInfo(before.info, changes.info ?? {}) };
        await this.checkCredential(name, content, discarded);
        const isWritten = await this.write(
          { entity: 'credentials', id: name, content: credentialRowContent(content), before: loaded.row, by },
          'updated',
          {
            before: { values: shownValues(before.values), info: before.info },
            after: { values: shownValues(values), info: content.info },
          },
        );
        return isWritten ? { credential: await this.writtenCredential(name), discarded } : undefined;
      }),
    );
  }

  /** Deletes a credential that no model uses. */
  async removeCredential(name: string, by: AuditActor = APP_ACTOR): Promise<void> {
    return this.exclusively(async () => {
      const { shown } = await this.existingCredential(name);
      const users = this.usersOf(name).map(({ shown: { id, modelName } }) => `${modelName} (${id})`);
      if (users.length > 0) {
        const reason = `the credential ${name} is used by ${users.join(', ')}; change or delete these models first`;
        throw new StoredConfigurationError('CONFIGURATION_IN_USE', reason);
      }
      const before = { values: shown.values, info: shown.info };
      await this.deleteRow('credentials', name, { ...by, action: 'deleted', entity: 'credentials', entityId: name, before });
    });
  }

  /** Returns the stored settings by their path: `general_settings.max_parallel_requests`. */
  settings(): ReadonlyMap<string, unknown> {
    return this.loaded.settings;
  }

  /** Stores a setting. The caller checks its value, and that the file does not set it. */
  async putSetting(path: string, value: unknown, by: AuditActor = APP_ACTOR): Promise<void> {
    checkId('field_name', path);
    const name = path.slice(path.lastIndexOf('.') + 1);
    return this.exclusively(() =>
      this.repeated(async () => {
        await this.loadNow();
        const before = this.loaded.rows.get(`settings ${path}`);
        const content: RowContent = { facts: {}, values: { [name]: value } };
        const former = this.loaded.settings.get(path);
        const isWritten = await this.write(
          { entity: 'settings', id: path, content, before, by },
          before === undefined ? 'created' : 'updated',
          {
            ...(before !== undefined && { before: { [name]: former } }),
            after: { [name]: value },
          },
        );
        if (isWritten) await this.loadNow();
        return isWritten ? {} : undefined;
      }),
    ) as unknown as Promise<void>;
  }

  /** Deletes a stored setting. Returns whether it existed. */
  async removeSetting(path: string, by: AuditActor = APP_ACTOR): Promise<boolean> {
    return this.exclusively(async () => {
      this.store();
      await this.loadNow();
      if (!this.loaded.rows.has(`settings ${path}`)) return false;
      const name = path.slice(path.lastIndexOf('.') + 1);
      const before = { [name]: this.loaded.settings.get(path) };
      await this.deleteRow('settings', path, { ...by, action: 'deleted', entity: 'settings', entityId: path, before });
      return true;
    });
  }

  /** Applies the stored models again, after those of the file have changed. */
  reapply(): Promise<void> {
    return this.exclusively(async () => this.apply());
  }

  /** Reads the store again. Resolves when the router uses its content. Never rejects. */
  reload(): Promise<void> {
    if (this.isClosed) return Promise.resolve();
    this.nextLoad ??= this.exclusively(async () => {
      this.nextLoad = undefined;
      await this.loadNow().catch(() => this.retryLater());
    });
    return this.nextLoad;
  }

  /** Current metrics of this capability, as data. */
  metrics(): readonly MetricSample[] {
    const faults = this.loaded.faults();
    return [
      sample('models', 'Stored models in use.', 'gauge', this.loaded.models.size - faults.models),
      sample('unusable_models', 'Stored models that cannot be used.', 'gauge', faults.models),
    ];
  }

  /** Reports an unavailable store, and stored models that cannot be used. */
  health(): CapabilityHealth {
    const { source } = this.context;
    const reason = this.failure ?? source?.configuration.fault?.() ?? this.loaded.faultText();
    return { status: reason === undefined ? 'ok' : 'degraded', engine: 'typescript', ...(reason !== undefined && { reason }) };
  }

  /** Stops following the store and closes it. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    this.stopListening?.();
    await this.work.catch(() => {});
    await this.context.source?.close();
  }

  private changedParams(before: Fields, given: Fields | undefined): { readonly values: Fields; readonly discarded: Discarded } {
    const changes = checkObject('litellm_params', given ?? {}, refuseArgument);
    const changed = changedValues(before, changes);
    // The secrets of a credential would go to the new address, too.
    const isMoved = addressKeyOf(before) !== addressKeyOf(changed.values);
    if (!isMoved || before[CREDENTIAL_NAME] === undefined || changes[CREDENTIAL_NAME] !== undefined) return changed;
    const values = Object.fromEntries(Object.entries(changed.values).filter(([name]) => name !== CREDENTIAL_NAME));
    return { values, discarded: [...changed.discarded, CREDENTIAL_NAME] };
  }

  private async addCredential(
    { name: given, values: givenValues, info = {} }: NewStoredCredential,
    by: AuditActor,
  ): Promise<WrittenCredential> {
    const name = checkId('credential_name', given);
    const { values } = changedValues({}, checkObject('credential_values', givenValues, refuseArgument));
    const content: CredentialContent = { values, info: changedInfo({}, checkObject('credential_info', info, refuseArgument)) };
    await this.checkCredential(name, content);
    const after = { values: shownValues(values), info: content.info };
    const isNew = await this.write(
      { entity: 'credentials', id: name, content: credentialRowContent(content), before: undefined, by },
      'created',
      { after },
    );
    if (!isNew)
      throw new StoredConfigurationError('CONFIGURATION_CONFLICT', `the credential ${name} already exists; use another name, or update it`);
    return { credential: await this.writtenCredential(name), discarded: [] };
  }

  /** Checks all that the router and the guard would refuse later. Returns warnings. */
  private async checkModel(
    id: string,
    content: ModelContent,
    discarded: Discarded = [],
    credentials = this.loaded.credentials,
  ): Promise<readonly string[]> {
    checkContent(content);
    const shared = credentialFor(content, credentials);
    const { deployment, warnings } = this.context.read(entryOf(id, content, shared?.values), id);
    const again = discarded.length === 0 ? '' : `; the address changes, so ${discarded.join(', ')} would be deleted: send it again`;
    if (deployment.uncallable !== undefined) {
      throw new InvalidArgumentError(
        'litellm_params',
        NO_VALUE,
        `must be a deployment that can be called: ${deployment.uncallable.reason}${again}`,
      );
    }
    const address = this.context.addressOf(deployment);
    checkOwnKey(content, shared, address);
    for (const [name, { hostname }] of addressesIn({ ...shared?.values, ...content.params }))
      await this.checkHost(`litellm_params.${name}`, hostname);
    if (address !== undefined) await this.checkHost('litellm_params.model', new URL(address.origin).hostname);
    return warnings;
  }

  private async checkHost(path: string, hostname: string): Promise<void> {
    const refusal = await this.context.guard.check(hostname);
    if (refusal !== undefined)
      throw new InvalidArgumentError(
        path,
        NO_VALUE,
        `must be a public address, or one of admin.allowedAddresses (FAST_LITELLM_ALLOWED_ADDRESSES): ${refusal.hostname} ${refusal.reason}`,
      );
  }

  /** The models that use it must stay valid. */
  private async checkCredential(name: string, content: CredentialContent, discarded: Discarded = []): Promise<void> {
    checkStoredParams('credential_values', content.values);
    if (Object.keys(content.values).length === 0)
      throw new InvalidArgumentError('credential_values', NO_VALUE, 'must have at least one value');
    for (const [field, { hostname }] of addressesIn(content.values)) await this.checkHost(`credential_values.${field}`, hostname);
    const credentials = new Map(this.loaded.credentials);
    credentials.set(name, { ...(credentials.get(name) as LoadedCredential), content });
    for (const model of this.usersOf(name)) {
      try {
        if (model.content !== undefined) await this.checkModel(model.row.id, model.content, discarded, credentials);
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) throw error;
        throw new InvalidArgumentError(
          'credential_values',
          NO_VALUE,
          `must be valid for the model ${model.row.id}, which uses it: ${error.path} ${error.rule}`,
        );
      }
    }
  }

  private usersOf(name: string): readonly LoadedModel[] {
    return this.loaded.allModels().filter(({ row }) => this.credentialNameIn(row) === name);
  }

  /** Also of a model whose secrets cannot be read. */
  private credentialNameIn({ plain }: StoredRow): unknown {
    return (plain.litellm_params as Fields | undefined)?.[CREDENTIAL_NAME];
  }

  private refuseInFile(id: string): void {
    if (!this.isInFile(id)) return;
    const reason = `the model ${id} is defined in the configuration file, so it can be changed only there`;
    throw new StoredConfigurationError('CONFIGURATION_IN_FILE', reason);
  }

  private async existingModel(id: string): Promise<LoadedModel> {
    this.store();
    this.refuseInFile(id);
    await this.loadNow();
    const model = this.loaded.models.get(id);
    if (model === undefined) throw new StoredConfigurationError('CONFIGURATION_NOT_FOUND', `the model ${id} does not exist`);
    return model;
  }

  private async existingCredential(name: string): Promise<LoadedCredential> {
    this.store();
    await this.loadNow();
    const credential = this.loaded.credentials.get(name);
    if (credential === undefined) throw new StoredConfigurationError('CONFIGURATION_NOT_FOUND', `the credential ${name} does not exist`);
    return credential;
  }

  private async written(id: string): Promise<StoredModel> {
    await this.loadNow();
    const model = this.loaded.models.get(id);
    if (model === undefined) throw new StoredConfigurationError('CONFIGURATION_CONFLICT', `the model ${id} was deleted in the meantime`);
    return model.shown;
  }

  private async writtenCredential(name: string): Promise<StoredCredential> {
    await this.loadNow();
    const credential = this.loaded.credentials.get(name);
    if (credential === undefined)
      throw new StoredConfigurationError('CONFIGURATION_CONFLICT', `the credential ${name} was deleted in the meantime`);
    return credential.shown;
  }

  /** @throws StoredConfigurationError without a store */
  private store(): ConfigurationStore {
    const { source } = this.context;
    if (source !== undefined) return source.configuration;
    throw new StoredConfigurationError('CONFIGURATION_STORE_MISSING', NO_STORE);
  }

  private async write(
    { entity, id, content, before, by }: WrittenRow,
    action: string,
    facts: Pick<AuditEntry, 'before' | 'after'>,
  ): Promise<boolean> {
    const store = this.store();
    const now = new Date().toISOString();
    const row: StoredRow = {
      entity,
      id,
      revision: (before?.revision ?? 0) + 1,
      createdAt: before?.createdAt ?? now,
      createdBy: before?.createdBy ?? by.actor,
      updatedAt: now,
      updatedBy: by.actor,
      ...sealedContent(entity, id, content, this.context.keys),
    };
    const entry: AuditEntry = { ...by, action, entity, entityId: id, ...facts };
    const isWritten = await this.available(store.put(row, entry));
    if (isWritten) await this.note(entry);
    return isWritten;
  }

  private async deleteRow(entity: StoredEntity, id: string, entry: AuditEntry): Promise<void> {
    if (await this.available(this.store().delete(entity, id, entry))) await this.note(entry);
    await this.loadNow();
  }

  /** A store with an audit log has written the entry together with the change. */
  private async note(entry: AuditEntry): Promise<void> {
    const { source, audit, log } = this.context;
    const { action, entity, entityId, actor } = entry;
    log.log(`Stored ${entity}: ${entityId} ${action} by ${actor}`);
    if (source?.audit === undefined) await audit?.record(entry);
  }

  private async available<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof InvalidArgumentError) throw error;
      const reason = `the store is unavailable (${errorMessage(error)})`;
      throw new StoredConfigurationError('CONFIGURATION_STORE_UNAVAILABLE', reason, { cause: error });
    }
  }

  /** Reads the store and applies it. @throws StoredConfigurationError if it is unavailable */
  private async loadNow(): Promise<void> {
    const { source, keys } = this.context;
    if (source === undefined) return;
    try {
      const rows = await this.available(source.configuration.list());
      this.loaded = LoadedRows.of(rows, keys, this.loaded);
      this.failure = undefined;
    } catch (error) {
      this.failure = errorMessage(error);
      throw error;
    }
    this.apply();
  }

  /** Makes the router use every valid model. The others are skipped and reported. */
  private apply(): void {
    const { live, guarded } = this.context;
    const inFile = live.fileModelIds();
    const entries: ModelListEntry[] = [];
    for (const model of this.loaded.allModels()) {
      const entry = inFile.has(model.row.id) ? undefined : this.entryFor(model);
      if (inFile.has(model.row.id)) model.leaveOut('the configuration file also defines a model with this id');
      if (entry !== undefined) entries.push(entry);
    }
    const ids = entries.map(({ model_info: info }) => String(info?.id));
    // First, so that no request selects a model whose connections are not checked yet.
    for (const id of ids) guarded.add(id);
    try {
      live.useStoredModels(entries, { isStart: true });
      for (const { entry, message } of live.leftOut()) this.loaded.models.get(String(entry.model_info?.id))?.leaveOut(message);
      const current = new Set(ids);
      for (const id of guarded) if (!current.has(id)) guarded.delete(id);
      this.applySettings();
    } catch (error) {
      this.failure = errorMessage(error);
    }
    this.report();
    for (const listener of this.listeners) listener();
  }

  /** Makes the app use the stored settings, which were checked before they were written. */
  private applySettings(): void {
    const { settings } = this.loaded;
    if (isDeepStrictEqual(settings, this.usedSettings)) return;
    this.context.live.useStoredSettings(settings);
    this.usedSettings = settings;
  }

  private entryFor(model: LoadedModel): ModelListEntry | undefined {
    const { content, row } = model;
    if (content === undefined) return undefined;
    try {
      checkContent(content);
      const shared = credentialFor(content, this.loaded.credentials);
      const entry = entryOf(row.id, content, shared?.values);
      const { deployment } = this.context.read(entry, row.id);
      if (deployment.uncallable !== undefined) model.note(deployment.uncallable.reason);
      else checkOwnKey(content, shared, this.context.addressOf(deployment));
      return entry;
    } catch (error) {
      model.leaveOut(errorMessage(error));
      return undefined;
    }
  }

  /** Logs each fault once. */
  private report(): void {
    const faults = this.loaded.faultLines();
    for (const line of faults) if (!this.heard.has(line)) this.context.log.warn(`Stored models: ${line}`);
    this.heard.clear();
    for (const line of faults) this.heard.add(line);
  }

  private retryLater(): void {
    if (this.isClosed) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.reload(), RETRY_MS).unref();
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.work.then(work);
    this.work = result.catch(() => {});
    return result;
  }

  /** Repeats the change of a row that another process has changed in the meantime. */
  private async repeated<T>(change: () => Promise<T | undefined>): Promise<T> {
    for (let attempt = 0; attempt < MOST_CONFLICTS; attempt++) {
      const result = await change();
      if (result !== undefined) return result;
    }
    throw new StoredConfigurationError('CONFIGURATION_CONFLICT', 'other processes change the same row; repeat the request');
  }
}

/** The row to write, and the row that it replaces. */
interface WrittenRow {
  readonly entity: StoredEntity;
  readonly id: string;
  readonly content: RowContent;
  readonly before: StoredRow | undefined;
  readonly by: AuditActor;
}

/** @throws StoredConfigurationError for a row whose secrets cannot be decrypted */
function contentOf<C>({ content, fault }: { readonly content: C | undefined; readonly fault: string | undefined }): C {
  if (content !== undefined) return content;
  throw new StoredConfigurationError('SALT_KEY_WRONG', fault ?? 'cannot be decrypted');
}

/**
 * The credential that a model names. Its secrets go only to the address that it was stored with.
 * @throws InvalidArgumentError
 */
function credentialFor({ params }: ModelContent, credentials: ReadonlyMap<string, LoadedCredential>): CredentialContent | undefined {
  const { [CREDENTIAL_NAME]: name } = params;
  if (name === undefined) return undefined;
  const path = `litellm_params.${CREDENTIAL_NAME}`;
  const found = credentials.get(checkString(path, name, refuseArgument));
  if (found === undefined) throw new InvalidArgumentError(path, name, 'must be a stored credential; create it with POST /credentials');
  if (found.content === undefined) throw new InvalidArgumentError(path, name, `must be readable: ${found.fault ?? ''}`);
  const { values } = found.content;
  const other = addressesIn(params).find(([field]) => params[field] !== values[field]);
  if (other === undefined) return found.content;
  throw new InvalidArgumentError(
    `litellm_params.${other[0]}`,
    NO_VALUE,
    'must be set in the credential, because its secrets are sent there',
  );
}

/**
 * Keys of the environment are for the provider's own address. Some providers have many, and one of
 * them could belong to anyone.
 * @throws InvalidArgumentError
 */
function checkOwnKey({ params }: ModelContent, shared: CredentialContent | undefined, address: DeploymentAddress | undefined): void {
  const own = { ...shared?.values, ...params };
  const hasAddress = addressesIn(own).length > 0;
  if (!hasAddress || address?.isAuthorized !== true || Object.keys(divided(own).secret).length > 0) return;
  throw new InvalidArgumentError(
    'litellm_params.api_key',
    NO_VALUE,
    'must be set, because keys from the environment are not sent to a custom address',
  );
}

/** @throws InvalidArgumentError for a value that would be resolved on the server */
function checkContent({ modelName, params, info }: ModelContent): void {
  refuseReferences('model_name', modelName);
  checkStoredParams('litellm_params', params);
  checkStoredInfo('model_info', info);
}

function auditOf({ modelName, params, info, isBlocked }: ModelContent): object {
  return { modelName, params: shownValues(params), info, isBlocked };
}

function checkId(path: string, value: unknown): string {
  const text = typeof value === 'number' ? String(value) : checkString(path, value, refuseArgument);
  if (text.length <= LONGEST_NAME && !UNSTORABLE.test(text)) return text;
  throw new InvalidArgumentError(path, NO_VALUE, `must have at most ${LONGEST_NAME} characters, without U+0000 or unpaired surrogates`);
}

/**
 * Why a call failed: the provider's status and message, and the cause (`ECONNREFUSED`, or what the
 * provider says about the key). Provider errors have no secrets of the deployment.
 */
function reasonOf(error: unknown): string {
  const { message, status, providerStatus = status, cause } = error as Partial<Record<string, unknown>>;
  const text = typeof message === 'string' ? message : String(error);
  const { code, message: said } = fieldsOfError(cause);
  const detail = maskSecrets([code, said].filter((each) => typeof each === 'string' && each !== '' && !text.includes(each)).join(' '));
  return `${typeof providerStatus === 'number' ? `${providerStatus}: ` : ''}${text}${detail === '' ? '' : ` (${String(detail)})`}`;
}

function fieldsOfError(cause: unknown): { readonly code?: unknown; readonly message?: unknown } {
  return cause instanceof Error ? cause : {};
}
