/** The bit by which ASCII letters differ from their capitals; digits and hyphens have it anyway. */
const LOWER_CASE = 0x20;

/** A header of undici's flat list, or `undefined`. @param name in lower case */
export function rawHeader(rawHeaders: readonly (Buffer | string)[], name: string): string | undefined {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    if (isNamed(rawHeaders[i], name)) return rawHeaders[i + 1].toString('latin1');
  }
  return undefined;
}

/** Compares bytes: most names differ in length or first letter, so no string is made. */
function isNamed(key: Buffer | string, name: string): boolean {
  if (key.length !== name.length) return false;
  if (typeof key === 'string') return key.toLowerCase() === name;
  for (let i = 0; i < name.length; i++) if ((key[i] | LOWER_CASE) !== name.charCodeAt(i)) return false;
  return true;
}

/** Of OpenAI and most others, of Anthropic, of Azure, of AWS. */
const REQUEST_IDS = ['x-request-id', 'request-id', 'apim-request-id', 'x-amzn-requestid'];
/** What can stand in a response header unchanged. */
const PLAIN = /^[\x21-\x7e]{1,256}$/;

/** The provider's id of the request in undici's flat list; `undefined`: none, or not printable. */
export function requestIdIn(rawHeaders: readonly (Buffer | string)[]): string | undefined {
  for (const name of REQUEST_IDS) {
    const id = rawHeader(rawHeaders, name);
    if (id !== undefined && PLAIN.test(id)) return id;
  }
  return undefined;
}
