import type { AuditLog } from '../common/audit-log.js';
import type { LogSink } from '../common/log-sink.js';
import type { RateLimiterService } from '../rate-limit/rate-limit.service.js';
import type { ConfigurationService } from '../configuration/configuration.service.js';
import type { StoredModels } from '../configuration/stored/stored-models.js';
import type { DirectoryService } from '../directory/directory.service.js';
import type { ApiKeyService } from '../keys/api-keys.service.js';
import type { CallsSource } from './calls/calls-source.js';
import type { DashboardAccess } from './dashboard.access.js';
import type { DashboardFeed } from './dashboard.feed.js';
import type { SpendingSource } from './spending/spending-source.js';

/** Dependencies of the dashboard's pages. Absent if the app does not have them. */
export interface DashboardServices {
  readonly title: string;
  readonly access: DashboardAccess;
  readonly feed: DashboardFeed;
  /** Counts wrong tokens by address. */
  readonly attempts: RateLimiterService;
  readonly log: LogSink;
  /** Who changed what, in an app whose store of keys keeps it. */
  readonly audit?: AuditLog;
  /** Recent calls: from the spend log, else from the memory of this process. */
  readonly calls: CallsSource;
  /** Of an app with API keys. */
  readonly keys?: ApiKeyService;
  /** Teams, users and budgets of a store that keeps them. */
  readonly directory?: DirectoryService;
  /** Of an app with a spend log. */
  readonly spending?: SpendingSource;
  /** Of an app with the admin API: models that it can add, change and test. */
  readonly models?: StoredModels;
  /** Path of LiteLLM's configuration file. */
  readonly configPath?: string;
  /** Of an app with a configuration file. */
  readonly configuration?: ConfigurationService;
  /** Called with each visit. Calls are recorded from the first one on. */
  viewed(): void;
  /** Stops recording calls. */
  close(): void;
}
