import { DatabaseError } from '../common/errors.js';
import { databaseError, failureOf, isUnstorable, violates } from './database-failure.js';

const failed = (code: string, message = 'm', more: object = {}): Error => Object.assign(new Error(message), { code, ...more });
const unique = failed('23505', 'duplicate key value violates unique constraint "keys_alias_unique"', {
  constraint: 'keys_alias_unique',
  detail: 'Key (alias)=(hidden) already exists.',
});

it.each<[string, Error]>([
  ['pg, Kysely', unique],
  ['TypeORM', Object.assign(new Error('QueryFailedError'), { driverError: unique })],
  ['Drizzle', new Error('Failed query: insert …', { cause: unique })],
  ['Prisma', failed('P2010', 'Raw query failed', { meta: { code: '23505', message: 'ERROR: … "keys_alias_unique"' } })],
])('finds the violated constraint in an error of %s', (_, error) => {
  expect(failureOf(error).sqlState).toBe('23505');
  expect(violates(error, 'keys_alias_unique')).toBe(true);
  expect(violates(databaseError(error), 'keys_alias_unique')).toBe(true);
  expect(violates(error, 'keys_pkey')).toBe(false);
});

it.each<[string, Error, string, string]>([
  [
    'a refused connection',
    failed('ECONNREFUSED', 'connect ECONNREFUSED 1.2.3.4:5432'),
    'DATABASE_UNAVAILABLE',
    'cannot be reached (ECONNREFUSED)',
  ],
  ['a lost connection', new Error('Connection terminated unexpectedly'), 'DATABASE_UNAVAILABLE', '(Connection terminated unexpectedly)'],
  ['a wrong password', failed('28P01', 'password authentication failed for user "me"'), 'DATABASE_UNAVAILABLE', '28P01'],
  ['a shutdown', failed('57P01', 'terminating connection'), 'DATABASE_UNAVAILABLE', '57P01'],
  ['too many connections', failed('53300', 'too many clients'), 'DATABASE_UNAVAILABLE', '53300'],
  [
    'a missing privilege',
    failed('42501', 'permission denied for table keys'),
    'DATABASE_FAILED',
    'permission denied for table keys; 42501',
  ],
  ['an invalid value', failed('22P02', 'invalid input syntax: "hidden"'), 'DATABASE_FAILED', '(invalid data; 22P02)'],
  ['a URL in a message', new Error('no host in //me:hidden@x/y'), 'DATABASE_UNAVAILABLE', '//***@x/y'],
])('reports %s with a stable code, without values and passwords', (_, error, code, message) => {
  const reported = databaseError(error);
  expect(reported).toBeInstanceOf(DatabaseError);
  expect(reported).toMatchObject({ code, message: expect.stringContaining(message) as string, cause: error });
  expect(reported.message).not.toContain('hidden');
  expect(databaseError(reported)).toBe(reported);
});

it('tells values that cannot be stored from other failures', () => {
  expect([isUnstorable(failed('22P05')), isUnstorable(databaseError(failed('22021'))), isUnstorable(unique)]).toEqual([true, true, false]);
});
