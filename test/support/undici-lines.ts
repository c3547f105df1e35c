import type * as Undici from 'undici';

type Line = Pick<typeof Undici, 'fetch' | 'request' | 'stream' | 'RetryAgent' | 'interceptors'>;

const [major, minor] = process.versions.node.split('.').map(Number);
/** By its `engines`: on an older Node it does not load. */
const SUPPORTS_UNDICI_8 = major > 22 || (major === 22 && minor >= 19);

/** The supported major versions of undici by package name; undici 8 only if Node can load it. */
export const UNDICI_LINES: readonly (readonly [name: string, undici: Line])[] = [
  'undici6',
  'undici',
  ...(SUPPORTS_UNDICI_8 ? ['undici8'] : []),
].map((name) => [name, jest.requireActual<Line>(name)]);
