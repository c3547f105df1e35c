import { isStorable } from '../common/storable-text.js';
import { LARGEST_USD } from '../common/nano-usd.js';
import { definedFields } from '../common/objects.js';
import { boolean, custom, integer, number, oneOf, required, resolveOptions, type OptionsOf } from '../common/option.js';
import { refuseOption, type Refuse } from '../common/options.js';
import { DATE, METADATA, MODEL_LIMITS, NAMES_BY_NAME, RECORD_LIMITS, TEXT, TEXTS } from '../keys/record-fields.js';

const LONGEST_ID = 256;

/** Ids are part of counters, notifications and member ids. */
const ID = custom<string>('string', checkDirectoryId);

/** Fields of every record. */
const STORED = {
  id: required(ID),
  /** Version of the record, from 1: a store rejects any version that is not the next one. */
  revision: integer({ min: 1, default: 1 }),
  createdAt: DATE,
  updatedAt: DATE,
};

/** Limits of one record, or of a budget that several records share. */
const LIMITED = {
  limits: RECORD_LIMITS,
  /** Id of a budget, whose limits apply where the record sets none. */
  budget: TEXT,
  /** Limits and budgets for single models, by name or pattern. */
  modelLimits: MODEL_LIMITS,
  /** Spend in USD that triggers a report but no denial. */
  softBudgetUsd: number({ min: 0, max: LARGEST_USD }),
};

const ROLE = oneOf(['admin', 'user']);

const BUDGET = {
  ...STORED,
  limits: RECORD_LIMITS,
  modelLimits: MODEL_LIMITS,
  softBudgetUsd: LIMITED.softBudgetUsd,
};

const ORGANIZATION = { ...STORED, ...LIMITED, alias: TEXT, models: TEXTS, metadata: METADATA };

const TEAM = {
  ...STORED,
  ...LIMITED,
  alias: TEXT,
  organization: TEXT,
  /** Patterns of the models that the team's keys can call. Default: all. */
  models: TEXTS,
  /** The team's own names for models. */
  modelAliases: NAMES_BY_NAME,
  blocked: boolean(),
  metadata: METADATA,
};

const USER = {
  ...STORED,
  ...LIMITED,
  alias: TEXT,
  email: TEXT,
  /** LiteLLM's role, for information only: management requires the master key. */
  role: TEXT,
  /** Patterns of the models that the user's keys without a team can call. Default: all. */
  models: TEXTS,
  blocked: boolean(),
  metadata: METADATA,
};

const MEMBER = {
  ...STORED,
  ...LIMITED,
  team: required(ID),
  user: required(ID),
  /** A team admin manages the team's members. */
  role: ROLE,
};

const CUSTOMER = { ...STORED, ...LIMITED, alias: TEXT, blocked: boolean(), metadata: METADATA };

const FIELDS = { budgets: BUDGET, organizations: ORGANIZATION, teams: TEAM, users: USER, team_members: MEMBER, customers: CUSTOMER };

/** Limits that other records share, by their `budget`. */
export interface BudgetRecord extends OptionsOf<typeof BUDGET> {}
/** An organization, whose limits apply to all of its teams and keys. */
export interface OrganizationRecord extends OptionsOf<typeof ORGANIZATION> {}
/** A team of users, whose keys share the team's limits. */
export interface TeamRecord extends OptionsOf<typeof TEAM> {}
/** A user, whose limits apply to all of the user's keys. */
export interface UserRecord extends OptionsOf<typeof USER> {}
/** A user's membership in a team, with its own limits. Its id is that of `memberId`. */
export interface TeamMemberRecord extends OptionsOf<typeof MEMBER> {}
/** An end user: `user` in a request's body. */
export interface CustomerRecord extends OptionsOf<typeof CUSTOMER> {}

/** The records of a directory, by the name of their table. */
export interface DirectoryRecords {
  readonly budgets: BudgetRecord;
  readonly organizations: OrganizationRecord;
  readonly teams: TeamRecord;
  readonly users: UserRecord;
  readonly team_members: TeamMemberRecord;
  readonly customers: CustomerRecord;
}

/** A kind of record in the directory. */
export type DirectoryEntity = keyof DirectoryRecords;

export const DIRECTORY_ENTITIES = Object.keys(FIELDS) as readonly DirectoryEntity[];

/** A record with limits, of any kind. */
export type LimitedRecord = OrganizationRecord | TeamRecord | UserRecord | TeamMemberRecord | CustomerRecord;

/** Records with limits of their own. */
export type LimitedEntity = Exclude<DirectoryEntity, 'budgets'>;

/** The id of a membership. */
export function memberId(team: string, user: string): string {
  return `${encoded(team)}/${encoded(user)}`;
}

/** Checks a record. @throws the error of `refuse`, naming the field. */
export function checkDirectoryRecord<E extends DirectoryEntity>(
  entity: E,
  path: string,
  value: unknown,
  refuse: Refuse = refuseOption,
): DirectoryRecords[E] {
  return definedFields(resolveOptions(FIELDS[entity], path, value, { refuse })) as unknown as DirectoryRecords[E];
}

/** Half a surrogate pair cannot be encoded, and is in no id. */
function encoded(text: string): string {
  return encodeURIComponent(text.replace(/\p{Cs}/gu, '\ufffd'));
}

function checkDirectoryId(path: string, value: unknown, refuse: Refuse): string {
  const isId = typeof value === 'string' && value !== '' && value.length <= LONGEST_ID && isStorable(value);
  if (isId) return value;
  throw refuse(path, value, `must be a string of 1 to ${LONGEST_ID} characters`);
}
