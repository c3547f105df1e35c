import { DatabaseError, errorMessage } from '../common/errors.js';

/** Node's error codes for a server that cannot be reached. */
const UNREACHABLE = /^(?:E[A-Z_]+|UND_ERR_\w+)$/;
const SQLSTATE = /^[0-9A-Z]{5}$/;
/**
 * Classes of SQLSTATE not caused by the statement: connections, logins, missing databases,
 * resources, operators, system.
 */
const AWAY = /^(?:08|28|3D|53|57|58|25006)/;
/** Messages of these classes can contain values from the statement. */
const WITH_VALUES = /^(?:2[123]|P0)/;
/** Maximum depth at which libraries wrap the driver's error. */
const MOST_CAUSES = 5;

interface DriverError {
  readonly code?: unknown;
  readonly constraint?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly driverError?: unknown;
  readonly originalError?: unknown;
  readonly meta?: unknown;
}

/**
 * The failure that the database reported, unwrapped from the errors of TypeORM, Drizzle or Prisma.
 */
export interface DatabaseFailure {
  readonly sqlState: string | undefined;
  /** Name of the violated constraint, if the library provides it. */
  readonly constraint: string | undefined;
  readonly message: string;
}

/** Extracts the database's failure from an error. */
export function failureOf(error: unknown): DatabaseFailure {
  let inner = error as DriverError | undefined | null;
  for (let depth = 0; depth < MOST_CAUSES && typeof inner === 'object' && inner !== null; depth++) {
    const { code, constraint, message } = inner;
    // Prisma's own codes look like a SQLSTATE, too.
    if (typeof code === 'string' && SQLSTATE.test(code) && !/^P[12]0\d\d$/.test(code)) {
      const named = typeof constraint === 'string' ? constraint : undefined;
      return { sqlState: code, constraint: named, message: typeof message === 'string' ? message : '' };
    }
    inner = (inner.driverError ?? inner.originalError ?? inner.meta ?? inner.cause) as DriverError | undefined;
  }
  return { sqlState: undefined, constraint: undefined, message: errorMessage(error) };
}

/** Whether a statement violated this constraint: by default a unique one. */
export function violates(error: unknown, constraint: string, violation = '23505'): boolean {
  const { sqlState, constraint: named, message } = failureOf(error instanceof DatabaseError ? error.cause : error);
  return sqlState === violation && (named === constraint || message.includes(constraint));
}

/** Whether PostgreSQL cannot store a value, such as a text with U+0000 or an unpaired surrogate. */
export function isUnstorable(error: unknown): boolean {
  return failureOf(error instanceof DatabaseError ? error.cause : error).sqlState?.startsWith('22') === true;
}

/** Converts the error of a statement, without its values, the address or the login. */
export function databaseError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const { sqlState, constraint, message } = failureOf(error);
  const options = { cause: error };
  if (sqlState === undefined) {
    const { code } = (error ?? {}) as { readonly code?: unknown };
    const reason = typeof code === 'string' && UNREACHABLE.test(code) ? code : withoutLogin(message);
    return new DatabaseError('DATABASE_UNAVAILABLE', `PostgreSQL: cannot be reached (${reason})`, options);
  }
  if (AWAY.test(sqlState))
    return new DatabaseError('DATABASE_UNAVAILABLE', `PostgreSQL: cannot be used (${message}; ${sqlState})`, options);
  const what = WITH_VALUES.test(sqlState) ? (constraint ?? 'invalid data') : message;
  return new DatabaseError('DATABASE_FAILED', `PostgreSQL: a statement failed (${what}; ${sqlState})`, options);
}

function withoutLogin(message: string): string {
  return message.replace(/\/\/[^/\s@]*@/g, '//***@');
}
