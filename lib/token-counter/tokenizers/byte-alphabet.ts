/**
 * The characters by which byte-level tokenizers write bytes: printable ones of Latin-1 stand for
 * themselves, the others are U+0100 and up, in order.
 */
const BYTE_OF = new Map<string, string>();
{
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const isPrintable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    BYTE_OF.set(String.fromCharCode(isPrintable ? byte : next++), String.fromCharCode(byte));
  }
}

/** The bytes of a token, as a binary string; `undefined` if a character stands for none. */
export function bytesOfToken(token: string): string | undefined {
  let bytes = '';
  for (const character of token) {
    const byte = BYTE_OF.get(character);
    if (byte === undefined) return undefined;
    bytes += byte;
  }
  return bytes;
}

/** The 256 characters, by the byte that each stands for. */
export const BYTE_CHARACTERS: readonly string[] = [...BYTE_OF.keys()];
