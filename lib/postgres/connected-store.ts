import { PostgresAuditLog } from './audit-store.js';
import { ChangeFeed, type ListenMode } from './change-feed.js';
import { CONFIGURATION_CHANGES, PostgresConfiguration } from './configuration-store.js';
import { Database, type DatabaseOptions } from './database.js';
import { DIRECTORY_ENTITIES, type DirectoryEntity } from '../directory/directory-records.js';
import { PostgresDirectory } from './directory-store.js';
import { PostgresKeys } from './key-store.js';
import { PostgresSpendQueries } from './spend-queries.js';
import { PostgresSpend } from './spend-store.js';

/** The parts of one store; they share its connections. */
export class ConnectedStore {
  readonly database: Database;
  readonly changes: ChangeFeed;
  readonly keys: PostgresKeys;
  readonly directory: PostgresDirectory;
  readonly audit: PostgresAuditLog;
  readonly spendQueries: PostgresSpendQueries;
  readonly spend: PostgresSpend;
  readonly configuration: PostgresConfiguration;
  /** Whether anything but the database is used, so that its user closes the store. */
  isUsed = false;
  isClosed = false;
  private borrowers = 0;

  constructor(options: DatabaseOptions & { readonly listen: ListenMode }) {
    this.database = new Database(options);
    this.changes = new ChangeFeed(this.database, options.listen, ['keys', ...DIRECTORY_ENTITIES, CONFIGURATION_CHANGES]);
    this.keys = new PostgresKeys(this.database);
    this.directory = new PostgresDirectory(this.database);
    this.audit = new PostgresAuditLog(this.database);
    this.spendQueries = new PostgresSpendQueries(this.database);
    this.spend = new PostgresSpend(this.database);
    this.configuration = new PostgresConfiguration(this.database, this.changes);
  }

  /** Reports changes of all tables of the directory. */
  onDirectoryChange(listener: (entity: DirectoryEntity, id: string | null) => void): () => void {
    const stops = DIRECTORY_ENTITIES.map((entity) => this.changes.on(entity, (id) => listener(entity, id)));
    return () => stops.forEach((stop) => stop());
  }

  /** Why the store is currently unavailable. */
  fault(): string | undefined {
    return this.changes.fault() ?? this.database.fault() ?? this.audit.fault() ?? this.keys.fault();
  }

  /** Uses the database until the returned function is called: also after `close`. */
  borrow(): () => Promise<void> {
    this.borrowers++;
    let isBack = false;
    return async () => {
      if (isBack) return;
      isBack = true;
      this.borrowers--;
      if (this.isClosed || !this.isUsed) await this.close();
    };
  }

  /** The last borrower closes the connections. */
  async close(): Promise<void> {
    this.isClosed = true;
    this.changes.close();
    await this.audit.close();
    if (this.borrowers === 0) await this.database.close();
  }
}
