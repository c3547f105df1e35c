import { ApiKeyError } from '../common/http-errors.js';
import { MAY_CALL_ANY, type Principal, type PrincipalScope } from '../http/principal.js';
import type { ApiKeyRecord } from '../keys/api-key-record.js';
import { modelMatcher, modelScopesOf, raisedBy, type ModelLimitsOf } from '../keys/key-principal.js';
import type { KeyDirectory } from '../keys/key-directory.js';
import type { AccountKind } from '../keys/spending.js';
import type { RateLimits } from '../rate-limit/limits.js';
import type { DirectoryCache, Known } from './directory-cache.js';
import {
  memberId,
  type BudgetRecord,
  type DirectoryEntity,
  type DirectoryRecords,
  type LimitedEntity,
  type LimitedRecord,
} from './directory-records.js';
import { limitsWithBudget, splitMoney } from './limits-with-budget.js';

/** A record that a principal depends on. */
interface Part {
  readonly entity: DirectoryEntity;
  readonly id: string;
  readonly known: Known<DirectoryRecords[DirectoryEntity]>;
}

/** A principal, valid until one of its parts changes. */
interface Compiled {
  readonly parts: readonly Part[];
  readonly principal: Principal;
  readonly error: ApiKeyError | undefined;
}

/** Reads records: returns one at once, or throws `Missing`. */
type Read = <E extends DirectoryEntity>(entity: E, id: string | undefined) => DirectoryRecords[E] | undefined;

/** The sender as authenticated by the key alone. */
interface KeySender {
  readonly principal: Principal;
  readonly isRaised: boolean;
}

/** Thrown when a record must be read first. */
class Missing {
  constructor(
    readonly entity: DirectoryEntity,
    readonly id: string,
  ) {}
}

/** Limit names and key prefixes. */
export const SCOPE_NAMES = {
  teams: { name: 'teams', prefix: 'team:' },
  users: { name: 'users', prefix: 'user:' },
  team_members: { name: 'team-members', prefix: 'member:' },
  organizations: { name: 'organizations', prefix: 'organization:' },
  customers: { name: 'customers', prefix: 'customer:' },
} as const satisfies Readonly<Record<LimitedEntity, AccountKind>>;

/**
 * Adds the limits of team, user, membership, organization and budgets to the sender of a request.
 * The result is reused until one of these records is read again, so a request only compares a few
 * objects.
 */
export class PrincipalLimits implements Omit<KeyDirectory, 'hasBudget'> {
  /** By the principal of the key alone. */
  private readonly compiled = new WeakMap<Principal, Compiled>();
  /** By the records of customers. */
  private readonly customers = new WeakMap<object, readonly [budget: object | undefined, scopes: readonly PrincipalScope[]]>();

  constructor(
    private readonly cache: DirectoryCache,
    /** Whether the store is unavailable: then unknown end users are not limited. */
    private readonly isAway: () => boolean,
  ) {}

  principalOf(record: ApiKeyRecord, principal: Principal, isRaised: boolean): Principal | Promise<Principal> {
    if (isOnItsOwn(record)) return principal;
    const known = this.compiled.get(principal);
    if (known !== undefined && this.areCurrent(known.parts)) return allowed(known);
    const made = this.tryAll((read) => compile(record, { principal, isRaised }, read));
    const remember = ({ value, parts }: Made<Omit<Compiled, 'parts'>>): Principal => {
      const compiled = { ...value, parts };
      this.compiled.set(principal, compiled);
      return allowed(compiled);
    };
    return made instanceof Promise ? made.then(remember) : remember(made);
  }

  customerScopes(id: string): readonly PrincipalScope[] | Promise<readonly PrincipalScope[]> {
    const made = this.tryAll((read) => this.scopesOfCustomer(id, read));
    if (!(made instanceof Promise)) return made.value;
    if (this.isAway()) return NO_SCOPES;
    return made.then(
      ({ value }) => value,
      (error: unknown) => {
        if (error instanceof ApiKeyError) throw error;
        return NO_SCOPES;
      },
    );
  }

  async limitsOf(record: Pick<LimitedRecord, 'limits' | 'budget'>): Promise<RateLimits | undefined> {
    const { value } = await this.tryAll((read) => limitsWithBudget(record, read('budgets', record.budget)));
    return value;
  }

  private scopesOfCustomer(id: string, read: Read): readonly PrincipalScope[] {
    const customer = read('customers', id);
    if (customer === undefined) return NO_SCOPES;
    if (customer.blocked === true) throw new ApiKeyError('customer_blocked');
    const budget = read('budgets', customer.budget);
    const known = this.customers.get(customer);
    if (known !== undefined && known[0] === budget) return known[1];
    const scopes = [scopeOf('customers', customer, budget)];
    this.customers.set(customer, [budget, scopes]);
    return scopes;
  }

  private areCurrent(parts: readonly Part[]): boolean {
    for (const { entity, id, known } of parts) if (this.cache.fresh(entity, id) !== known) return false;
    return true;
  }

  /** Runs `work` on records, and again after each record that it had to read first. */
  private tryAll<T>(work: (read: Read) => T): Made<T> | Promise<Made<T>> {
    const tried = this.attempt(work, new Map());
    return tried instanceof Missing ? this.readAll(work, tried) : tried;
  }

  private async readAll<T>(work: (read: Read) => T, first: Missing): Promise<Made<T>> {
    // Use the record even if it is stale by now: the store may be unavailable.
    const loaded = new Map<string, Part['known']>();
    for (let missing: Made<T> | Missing = first; ; missing = this.attempt(work, loaded)) {
      if (!(missing instanceof Missing)) return missing;
      loaded.set(`${missing.entity} ${missing.id}`, await this.cache.get(missing.entity, missing.id));
    }
  }

  private attempt<T>(work: (read: Read) => T, loaded: ReadonlyMap<string, Part['known']>): Made<T> | Missing {
    const parts: Part[] = [];
    const read: Read = (entity, id) => {
      if (id === undefined) return undefined;
      const known = loaded.get(`${entity} ${id}`) ?? this.cache.fresh(entity, id);
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- caught here: an error would need a stack
      if (known === undefined) throw new Missing(entity, id);
      parts.push({ entity, id, known });
      return known.record as DirectoryRecords[typeof entity] | undefined;
    };
    try {
      return { value: work(read), parts };
    } catch (error) {
      if (error instanceof Missing) return error;
      throw error;
    }
  }
}

/** A result and the records that it depends on. */
interface Made<T> {
  readonly value: T;
  readonly parts: readonly Part[];
}

const NO_SCOPES: readonly PrincipalScope[] = [];

/** Whether only the key itself limits its requests. */
function isOnItsOwn({ team, user, organization, budget }: ApiKeyRecord): boolean {
  return (team ?? user ?? organization ?? budget) === undefined;
}

function allowed({ principal, error }: Compiled): Principal {
  if (error !== undefined) throw error;
  return principal;
}

function compile(record: ApiKeyRecord, { principal, isRaised }: KeySender, read: Read): Omit<Compiled, 'parts'> {
  const { user: userId, team: teamId } = record;
  const team = read('teams', teamId);
  const user = read('users', userId);
  const member = team === undefined || userId === undefined ? undefined : read('team_members', memberId(team.id, userId));
  const organizationId = record.organization ?? team?.organization;
  const organization = read('organizations', organizationId);
  const budgetOf = (limited: LimitedRecord | ApiKeyRecord): BudgetRecord | undefined => read('budgets', limited.budget);

  const scopes: PrincipalScope[] = [];
  const modelLimits: ModelLimitsOf[] = [];
  const add = (entity: LimitedEntity, limited: LimitedRecord | undefined, isMoneyOnlyCounted = false): void => {
    if (limited === undefined) return;
    const budget = budgetOf(limited);
    const scope = scopeOf(entity, limited, budget);
    scopes.push(isMoneyOnlyCounted ? withMoneyCounted(scope) : scope);
    const byModel = limited.modelLimits ?? budget?.modelLimits;
    if (byModel === undefined) return;
    modelLimits.push({ key: scope.key, modelLimits: isMoneyOnlyCounted ? withoutMoney(byModel) : byModel });
  };
  const keyBudget = budgetOf(record);
  const keyModelLimits = record.modelLimits ?? keyBudget?.modelLimits;
  if (keyModelLimits !== undefined) modelLimits.push({ key: principal.limitKey, modelLimits: keyModelLimits });
  add('teams', team);
  // As in LiteLLM: the budget of a user denies only requests with keys that have no team.
  add('users', user, team !== undefined);
  add('team_members', member);
  add('organizations', organization);

  const own = limitsWithBudget(record, keyBudget);
  const softBudgetUsd = record.softBudgetUsd ?? keyBudget?.softBudgetUsd;
  const limits = isRaised ? raisedBy(own, record.raisedUsd) : own;
  const modelAliases = team?.modelAliases === undefined ? principal.modelAliases : { ...team.modelAliases, ...principal.modelAliases };
  const error =
    team?.blocked === true ? new ApiKeyError('team_blocked') : user?.blocked === true ? new ApiKeyError('user_blocked') : undefined;
  const lists = [team?.models, organization?.models, team === undefined ? user?.models : undefined];
  return {
    error,
    principal: {
      ...principal,
      organization: organizationId,
      limits,
      mayCall: allOf(principal.mayCall, lists),
      ...(team?.metadata !== undefined && { teamMetadata: team.metadata }),
      ...(softBudgetUsd !== undefined && { softBudgetUsd }),
      ...(scopes.length > 0 && { scopes }),
      ...(modelLimits.length > 0 && { modelScopes: modelScopesOf(modelLimits) }),
      ...(modelAliases !== undefined && { modelAliases }),
    },
  };
}

function scopeOf(entity: LimitedEntity, record: LimitedRecord, budget: BudgetRecord | undefined): PrincipalScope {
  const { name, prefix } = SCOPE_NAMES[entity];
  const limits = limitsWithBudget(record, budget);
  const softBudgetUsd = record.softBudgetUsd ?? budget?.softBudgetUsd;
  return {
    name,
    key: `${prefix}${record.id}`,
    ...(limits !== undefined && { limits }),
    ...(softBudgetUsd !== undefined && { softBudgetUsd }),
  };
}

/** The scope of a record whose budgets count the spend, and deny nothing. */
function withMoneyCounted({ limits, ...scope }: PrincipalScope): PrincipalScope {
  const { money, others } = splitMoney(limits);
  return { ...scope, ...(others !== undefined && { limits: others }), ...(money !== undefined && { counted: money }) };
}

function withoutMoney(byModel: Readonly<Record<string, RateLimits>>): Readonly<Record<string, RateLimits>> {
  const entries = Object.entries(byModel).map(([model, limits]) => [model, splitMoney(limits).others] as const);
  return Object.fromEntries(entries.flatMap(([model, others]) => (others === undefined ? [] : [[model, others]])));
}

/** Allows the models that every list allows. An empty list, as LiteLLM writes it, allows all. */
function allOf(mayCall: (model: string) => boolean, lists: readonly (readonly string[] | undefined)[]): (model: string) => boolean {
  const matchers = lists.flatMap((list) => (list === undefined || list.length === 0 ? [] : [modelMatcher(list)]));
  const all = [mayCall, ...matchers].filter((matcher) => matcher !== MAY_CALL_ANY);
  if (all.length === 0) return MAY_CALL_ANY;
  return (model) => all.every((matcher) => matcher(model));
}
