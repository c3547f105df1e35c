/** The ids as the JavaScript libraries return them. */
export function toArray(ids: Uint32Array): number[] {
  const array = new Array<number>(ids.length);
  for (let at = 0; at < ids.length; at++) array[at] = ids[at];
  return array;
}

/** A copy of the ids if each is below `size`, otherwise `null`. */
export function ordinaryIds(ids: unknown, size: number): Uint32Array | null {
  if (ids instanceof Uint32Array) return idsOfArray(ids, size);
  if (Array.isArray(ids) || ArrayBuffer.isView(ids)) return idsOfAny(ids as ArrayLike<unknown>, size);
  return null;
}

function idsOfArray(ids: Uint32Array, size: number): Uint32Array | null {
  // A copy, which cannot change after the check.
  const checked = new Uint32Array(ids);
  for (let at = 0; at < checked.length; at++) if (checked[at] >= size) return null;
  return checked;
}

function idsOfAny(ids: ArrayLike<unknown>, size: number): Uint32Array | null {
  const checked = new Uint32Array(ids.length);
  for (let at = 0; at < ids.length; at++) {
    const id = ids[at];
    if (!((id as number) < size)) return null;
    checked[at] = id as number;
    if (checked[at] !== id) return null;
  }
  return checked;
}

/** The ids of all segments; `undefined` if `encode` has no answer for one. */
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
