/** As the JavaScript libraries give them. */
export function toArray(ids: Uint32Array): number[] {
  const array = new Array<number>(ids.length);
  for (let at = 0; at < ids.length; at++) array[at] = ids[at];
  return array;
}

/** The ids, if each is one of a vocabulary of `size`; otherwise `null`. */
export function ordinaryIds(ids: unknown, size: number): Uint32Array | null {
  if (!Array.isArray(ids) && !ArrayBuffer.isView(ids)) return null;
  const given = ids as ArrayLike<number>;
  const checked = new Uint32Array(given.length);
  for (let at = 0; at < given.length; at++) {
    const id = given[at];
    if (!(id < size)) return null;
    checked[at] = id;
    if (checked[at] !== id) return null;
  }
  return checked;
}

/** One array of what stands for the segments of a text; `null` if `encode` has no answer for one. */
export function joinIds(
  segments: readonly (string | number)[],
  encode: (text: string) => Uint32Array | undefined,
): Uint32Array | undefined {
  const parts: Uint32Array[] = [];
  let length = 0;
  for (const segment of segments) {
    const part = typeof segment === 'number' ? Uint32Array.of(segment) : encode(segment);
    if (part === undefined) return undefined;
    parts.push(part);
    length += part.length;
  }
  const ids = new Uint32Array(length);
  let at = 0;
  for (const part of parts) {
    ids.set(part, at);
    at += part.length;
  }
  return ids;
}
