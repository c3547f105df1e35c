import { nonEmptyString } from '../../common/objects.js';
import { errorMessage } from '../../common/errors.js';
import { NANO_PER_USD } from '../../common/nano-usd.js';
import { SCOPE_NAMES } from '../../directory/principal-limits.js';
import type { DirectoryEntity, DirectoryRecords, LimitedEntity } from '../../directory/directory-records.js';
import { KEY_ACCOUNTS } from '../../keys/spending.js';
import type { LiteLLMRow, LiteLLMSource, LiteLLMTable } from '../../postgres/litellm-source.js';
import { importedBudget, importedCustomer, importedMember, importedOrganization, importedTeam, importedUser } from './directory-rows.js';
import type { DirectoryTarget } from './directory-target.js';
import { ImportFindings } from './findings.js';
import { CALL_COLUMNS, importedCall } from './imported-call.js';
import { importedKey, shownToken, UI_TEAM } from './imported-key.js';
import { limitsOf, type LimitContext } from './imported-limits.js';
import type { ImportProgress } from './import-progress.js';
import { KeyOwners, withBudget } from './key-owners.js';
import type { ImportOutcome, KeyTarget, PlannedKey } from './key-target.js';
import { dateOf, numberOf, objectsOf, timeOf } from './litellm-values.js';
import type { SpendStore } from '../../spend/spend-store.js';
import type { SpendAccount, SpendTarget } from './spend-target.js';

/** The parts of one import. */
export interface ImportParts {
  readonly source: LiteLLMSource;
  readonly keys: KeyTarget;
  /** `undefined`: the store has no teams and users. */
  readonly directory: DirectoryTarget | undefined;
  readonly spend: SpendTarget | undefined;
  /** The spend log that receives the history of calls. */
  readonly calls: SpendStore | undefined;
  readonly findings: ImportFindings;
}

export interface ImportSettings {
  readonly isDryRun: boolean;
  readonly batch: number;
  readonly after: string | undefined;
  readonly timeZone: string | undefined;
  /** ISO 8601: calls since then. */
  readonly callsSince: string | undefined;
  readonly nowMs: number;
}

/** Accounts whose spend is written at the same time. */
const RAISED_AT_ONCE = 100;
/** Calls of one statement, which has to end within 10 s. */
const MOST_CALLS = 500;

/** Rows of a table by result. */
export type TableCounts = Record<ImportOutcome | 'rows' | 'skipped' | 'failed', number>;

/** The result of an import. */
export interface ImportReport {
  readonly tables: Readonly<Record<string, TableCounts>>;
  /** USD of the current windows, and those of them that were added to the spend in the target. */
  readonly spend: { accounts: number; usd: number; addedUsd: number };
  /** The public id of the last key, for `--after`. */
  readonly lastKey: string | undefined;
  /** When the last call of the history started, for `--calls-since`. */
  readonly lastCall: string | undefined;
}

/** How rows of one table become records. */
interface DirectoryTable<E extends DirectoryEntity> {
  readonly entity: E;
  readonly table: LiteLLMTable;
  readonly recordOf: (row: LiteLLMRow, context: LimitContext) => DirectoryRecords[E];
}

/** Takes over the keys of a LiteLLM database and, where the store has a directory, their owners. */
export class ImportRun {
  private readonly tables: Record<string, TableCounts> = {};
  private readonly spend = { accounts: 0, usd: 0, addedUsd: 0 };
  private lastKey: string | undefined = undefined;
  private lastCall: string | undefined = undefined;
  private readonly budgets = new Map<string, LiteLLMRow>();
  private readonly windows = new Map<string, LiteLLMRow>();
  /** By `team user`: roles, which LiteLLM keeps in the row of the team. */
  private readonly roles = new Map<string, LiteLLMRow>();
  private owners: KeyOwners | undefined = undefined;

  constructor(
    private readonly parts: ImportParts,
    private readonly settings: ImportSettings,
    private readonly progress: ImportProgress,
  ) {}

  get report(): ImportReport {
    return { tables: this.tables, spend: this.spend, lastKey: this.lastKey, lastCall: this.lastCall };
  }

  async run(): Promise<void> {
    const { source, findings, keys, directory } = this.parts;
    const { batch, isDryRun } = this.settings;
    await keys.open(isDryRun);
    for (const row of await source.all('BudgetTable', batch)) this.budgets.set(String(row.budget_id), row);
    for (const row of await source.all('BudgetWindowSpend', batch)) this.windows.set(windowName(row), row);
    if (directory !== undefined) await this.importDirectory(directory);
    else {
      this.owners = await KeyOwners.read(source, this.budgets, batch);
      this.owners.report(findings);
    }
    await this.importKeys();
    if (await source.has('DeprecatedVerificationToken')) await this.importRotatedKeys();
    if (this.parts.calls !== undefined && (await source.has('SpendLogs'))) await this.importCalls(this.parts.calls);
  }

  /** The history of calls. One that is there already is omitted, so it can be repeated. */
  private async importCalls(target: SpendStore): Promise<void> {
    const { source, findings } = this.parts;
    const { batch, isDryRun, callsSince } = this.settings;
    const counts = this.countsOf('calls');
    this.progress.begin('calls', await source.count('SpendLogs'));
    for await (const page of source.calls(CALL_COLUMNS, Math.min(batch, MOST_CALLS), callsSince)) {
      const calls = page.flatMap((row) => {
        try {
          return [importedCall(row)];
        } catch (error) {
          findings.fail('calls', String(row.request_id), errorMessage(error));
          counts.failed++;
          return [];
        }
      });
      const created = isDryRun ? calls.length : await this.writeCalls(target, calls);
      counts.rows += page.length;
      counts.created += created;
      counts.unchanged = counts.rows - counts.created - counts.failed;
      this.lastCall = dateOf(page[page.length - 1].startTime);
      this.progress.add(page.length);
    }
    this.progress.end();
  }

  /** @returns the number of new calls */
  private async writeCalls(target: SpendStore, calls: readonly string[]): Promise<number> {
    try {
      return await target.write(calls);
    } catch (error) {
      if (!target.isRejection(error)) throw error;
      const { id } = JSON.parse(calls[0]) as { readonly id: string };
      // A binary search finds the row that the database rejects.
      if (calls.length === 1) {
        this.parts.findings.fail('calls', id, errorMessage(error));
        this.countsOf('calls').failed++;
        return 0;
      }
      const half = calls.length >> 1;
      return (await this.writeCalls(target, calls.slice(0, half))) + (await this.writeCalls(target, calls.slice(half)));
    }
  }

  private async importDirectory(target: DirectoryTarget): Promise<void> {
    const aliases = new Map((await this.parts.source.all('ModelTable', this.settings.batch)).map((row) => [row.id, row.aliases]));
    const teamOf = (row: LiteLLMRow, context: LimitContext): DirectoryRecords['teams'] => {
      for (const member of objectsOf(row.members_with_roles))
        if (nonEmptyString(member.user_id) !== undefined)
          this.roles.set(`${String(row.team_id)} ${String(member.user_id)}`, { ...member, team_id: row.team_id });
      return importedTeam(row, aliases.get(row.model_id), context);
    };
    await this.importTable(target, { entity: 'budgets', table: 'BudgetTable', recordOf: importedBudget });
    await this.importTable(target, { entity: 'organizations', table: 'OrganizationTable', recordOf: importedOrganization });
    await this.importTable(target, { entity: 'teams', table: 'TeamTable', recordOf: teamOf });
    await this.importTable(target, { entity: 'users', table: 'UserTable', recordOf: importedUser });
    const memberOf = (row: LiteLLMRow, context: LimitContext): DirectoryRecords['team_members'] => {
      const name = `${String(row.team_id)} ${String(row.user_id)}`;
      const { role } = this.roles.get(name) ?? {};
      this.roles.delete(name);
      return importedMember({ ...row, role }, context);
    };
    await this.importTable(target, { entity: 'team_members', table: 'TeamMembership', recordOf: memberOf });
    // Members without a row of their own.
    const rest = [...this.roles.values()];
    for (let at = 0; at < rest.length; at += this.settings.batch)
      await this.importRows(target, rest.slice(at, at + this.settings.batch), { entity: 'team_members', recordOf: importedMember });
    await this.importTable(target, { entity: 'customers', table: 'EndUserTable', recordOf: importedCustomer });
  }

  private async importTable<E extends DirectoryEntity>(target: DirectoryTarget, { table, ...how }: DirectoryTable<E>): Promise<void> {
    const { source } = this.parts;
    if (!(await source.has(table))) return;
    this.progress.begin(how.entity, await source.count(table));
    for await (const page of source.pages(table, this.settings.batch)) {
      await this.importRows(target, page, how);
      this.progress.add(page.length);
    }
    this.progress.end();
  }

  private async importRows<E extends DirectoryEntity>(
    target: DirectoryTarget,
    rows: readonly LiteLLMRow[],
    { entity, recordOf }: Omit<DirectoryTable<E>, 'table'>,
  ): Promise<void> {
    const { findings } = this.parts;
    const context = this.contextOf(entity);
    const byId = new Map<string, LiteLLMRow>();
    const records: DirectoryRecords[E][] = [];
    for (const row of rows) {
      try {
        const record = recordOf(row, context);
        records.push(record);
        byId.set(record.id, row);
      } catch (error) {
        findings.fail(entity, String(row.team_id ?? row.user_id ?? row.budget_id ?? row.organization_id), errorMessage(error));
      }
    }
    const written = await target.write(entity, records);
    this.count(entity, rows.length, written);
    if (!Object.hasOwn(SCOPE_NAMES, entity)) return;
    const kind = SCOPE_NAMES[entity as LimitedEntity];
    const current = written.filter(({ outcome }) => outcome !== 'kept');
    await this.importSpend(current.map(({ record }) => ({ kind, id: record.id, ...this.spendOf(byId.get(record.id) ?? {}, context) })));
  }

  private async importKeys(): Promise<void> {
    const { source } = this.parts;
    this.progress.begin('keys', await source.count('VerificationToken'));
    for await (const page of source.pages('VerificationToken', this.settings.batch, this.settings.after)) {
      await this.importKeyRows(page);
      this.lastKey = shownToken(page[page.length - 1].token);
      this.progress.add(page.length);
    }
    this.progress.end();
  }

  /** Former secrets in the grace period of a rotation, each as a key of its own. */
  private async importRotatedKeys(): Promise<void> {
    const { source, findings } = this.parts;
    const advice = 'until it expires, the former secret of a rotated key is a separate key with its own budget';
    for await (const page of source.pages('DeprecatedVerificationToken', this.settings.batch)) {
      const valid = page.filter(({ revoke_at }) => (timeOf(revoke_at) ?? 0) > this.settings.nowMs);
      const active = new Map((await source.keys(valid.map((row) => String(row.active_token_id)))).map((row) => [row.token, row]));
      const rows = valid.flatMap(({ token, active_token_id, revoke_at }) => {
        const current = active.get(active_token_id);
        if (current === undefined) return [];
        findings.add('keys.grace_period', { advice });
        const ends = [timeOf(revoke_at), timeOf(current.expires)].filter((ms) => ms !== undefined);
        return [{ ...current, token, key_alias: null, expires: new Date(Math.min(...ends)).toISOString(), spend: 0 }];
      });
      await this.importKeyRows(rows);
    }
  }

  private async importKeyRows(rows: readonly LiteLLMRow[]): Promise<void> {
    const { keys, findings } = this.parts;
    const context = this.contextOf('keys');
    const planned = new Map<PlannedKey, LiteLLMRow>();
    for (const row of rows) {
      // Sessions of the admin UI.
      if (row.team_id === UI_TEAM) {
        this.countsOf('keys').skipped++;
        continue;
      }
      try {
        const own = this.owners?.applied(row) ?? row;
        planned.set(keys.plan(importedKey(own, context)), own);
      } catch (error) {
        findings.fail('keys', shownToken(row.token), errorMessage(error));
      }
    }
    const written = this.settings.isDryRun ? [...planned.keys()] : await keys.write([...planned.keys()]);
    this.count('keys', rows.length, written);
    const current = written.filter(({ outcome }) => outcome !== 'kept');
    await this.importSpend(
      current.map((key) => ({ kind: KEY_ACCOUNTS, id: key.record.publicId, ...this.spendOf(planned.get(key) ?? {}, context) })),
    );
  }

  /** The limits that count the spend of a row, with those of its budget, and the spend. */
  private spendOf(row: LiteLLMRow, context: LimitContext): Pick<SpendAccount, 'limits' | 'spend'> {
    // Problems were already reported for the record.
    const unheard = { ...context, findings: new ImportFindings() };
    return limitsOf(withBudget(row, this.budgets.get(nonEmptyString(row.budget_id) ?? '')), unheard);
  }

  private async importSpend(accounts: readonly SpendAccount[]): Promise<void> {
    const spent = accounts.map(({ spend }) => Math.max(0, ...Object.values(spend)));
    // Teams and users spend what their keys spend.
    const ofKeys = accounts.flatMap(({ kind }, at) => (kind === KEY_ACCOUNTS ? [spent[at]] : []));
    this.spend.accounts += ofKeys.filter((usd) => usd > 0).length;
    this.spend.usd = sumOf([this.spend.usd, ...ofKeys]);
    const target = this.settings.isDryRun ? undefined : this.parts.spend;
    if (target === undefined) return;
    for (let at = 0; at < accounts.length; at += RAISED_AT_ONCE) {
      const some = accounts.slice(at, at + RAISED_AT_ONCE);
      const added = await Promise.all(some.map((account) => target.raise(account)));
      this.spend.addedUsd = sumOf([this.spend.addedUsd, ...added.filter((_, i) => some[i].kind === KEY_ACCOUNTS)]);
    }
  }

  private contextOf(table: string): LimitContext {
    const { timeZone, nowMs } = this.settings;
    const [entityType, column] = table === 'keys' ? ['Key', 'token'] : ['Team', 'team_id'];
    const windowSpend = (duration: string, row: LiteLLMRow): number => {
      const window = this.windows.get(windowName({ entity_type: entityType, entity_id: row[column], window_duration: duration }));
      return Math.max(0, numberOf(window?.spend) ?? 0);
    };
    return { table, findings: this.parts.findings, nowMs, timeZone, windowSpend };
  }

  private count(table: string, rows: number, written: readonly { readonly outcome: ImportOutcome }[]): void {
    const counts = this.countsOf(table);
    counts.rows += rows;
    for (const { outcome } of written) counts[outcome]++;
    counts.failed = this.parts.findings.failed.filter((each) => each.table === table).length;
  }

  private countsOf(table: string): TableCounts {
    return (this.tables[table] ??= { rows: 0, created: 0, updated: 0, unchanged: 0, kept: 0, skipped: 0, failed: 0 });
  }
}

function windowName({ entity_type, entity_id, window_duration }: LiteLLMRow): string {
  return [entity_type, entity_id, window_duration].map(String).join(' ');
}

/** In whole nano-USD: sums of fractions are not exact. */
function sumOf(amounts: readonly number[]): number {
  return amounts.reduce((sum, usd) => sum + Math.round(usd * NANO_PER_USD), 0) / NANO_PER_USD;
}
