import {
  checkArray,
  checkBoolean,
  checkFunction,
  checkKnownKeys,
  checkObject,
  checkString,
  optional,
  refuseArgument,
} from '../common/options.js';
import type { Protocol } from './protocol.js';

/** A provider defined by the app, with its own protocol. */
export interface ProvidedProvider {
  readonly protocol: Protocol;
  /** Default address. Without it, `api_base` must be set in deployments or in the environment. */
  readonly base?: string;
  /** Environment variables for its key; the first one set is used. Default: `<NAME>_API_KEY`. */
  readonly keys?: readonly string[];
  /** Environment variables for its address. Default: `<NAME>_BASE_URL`, `<NAME>_API_BASE`. */
  readonly bases?: readonly string[];
  /** The header for its key. Default: `authorization`, as a Bearer token. */
  readonly keyHeader?: string;
  /** Whether calls work without a key. Default: no. */
  readonly keyOptional?: boolean;
}

/** The same as a row of the provider table. */
export interface ProvidedRow {
  readonly base?: string;
  readonly keys?: readonly string[];
  readonly bases?: readonly string[];
  readonly keyHeader?: string;
  readonly keyOptional?: true;
}

const NAME = /^[a-z][a-z0-9_-]{0,62}$/;
const provided = new Map<string, { readonly protocol: Protocol; readonly row: ProvidedRow }>();

/** @throws InvalidArgumentError naming the wrong part. */
export function addProvided(name: string, provider: ProvidedProvider): () => void {
  if (!NAME.test(checkString('name', name, refuseArgument))) {
    throw refuseArgument('name', name, 'must begin with a letter and contain only lower-case letters, digits, _ and -');
  }
  const given = checkObject('provider', provider, refuseArgument);
  checkKnownKeys('provider', given, ['protocol', 'base', 'keys', 'bases', 'keyHeader', 'keyOptional'], refuseArgument);
  const protocol = checkObject('provider.protocol', given.protocol, refuseArgument);
  for (const method of ['call', 'errorIn', 'hasError']) checkFunction(`provider.protocol.${method}`, protocol[method], refuseArgument);
  optional(protocol.count, undefined, (value) => checkFunction('provider.protocol.count', value, refuseArgument));
  optional(protocol.transport, undefined, (value) =>
    checkFunction('provider.protocol.transport.dispatch', (value as { readonly dispatch?: unknown }).dispatch, refuseArgument),
  );
  const names = (key: 'keys' | 'bases'): readonly string[] | undefined =>
    optional(given[key], undefined, (value) =>
      checkArray(`provider.${key}`, value, (path, each) => checkString(path, each, refuseArgument), refuseArgument),
    );
  const base = optional(given.base, undefined, (value) => checkString('provider.base', value, refuseArgument));
  if (base !== undefined && !/^https?:/.test(URL.canParse(base) ? new URL(base).protocol : '')) {
    throw refuseArgument('provider.base', base, 'must be an http:// or https:// URL');
  }
  const keyHeader = optional(given.keyHeader, undefined, (value) => checkString('provider.keyHeader', value, refuseArgument).toLowerCase());
  const isOptional = optional(given.keyOptional, false, (value) => checkBoolean('provider.keyOptional', value, refuseArgument));
  const row: ProvidedRow = { base, keys: names('keys'), bases: names('bases'), keyHeader, keyOptional: isOptional ? true : undefined };
  provided.set(name, { protocol: provider.protocol, row });
  return () => void provided.delete(name);
}

export function providedRow(name: string): ProvidedRow | undefined {
  return provided.get(name)?.row;
}

export function providedProtocol(name: string): Protocol | undefined {
  return provided.get(name)?.protocol;
}

export function providedNames(): readonly string[] {
  return [...provided.keys()];
}
