import { createHash } from 'node:crypto';

const NAME = /^[a-zA-Z][\w-]{0,63}$/;
const ID = /^[\w-]{1,64}$/;
const LONGEST = 64;

/** Converts names of tools and ids of their calls to a form that the service accepts, and back. */
export class ToolNames {
  private readonly originals = new Map<string, string>();

  /** The same name for the same tool within one request. */
  sent(name: string): string {
    const valid = NAME.test(name) ? name : repaired(name);
    const other = this.originals.get(valid);
    if (other === undefined || other === name) {
      this.originals.set(valid, name);
      return valid;
    }
    // Another tool has this name after its repair.
    const distinct = `${valid.slice(0, LONGEST - 9)}_${digest(name, 8)}`;
    this.originals.set(distinct, name);
    return distinct;
  }

  original(name: string): string {
    return this.originals.get(name) ?? name;
  }
}

/** An id of another provider may be longer or have other characters. */
export function sentId(id: string): string {
  return ID.test(id) ? id : `tooluse_${digest(id, 32)}`;
}

function repaired(name: string): string {
  const valid = name.replace(/[^\w-]/g, '_');
  const begun = /^[a-zA-Z]/.test(valid) ? valid : `a${valid}`;
  return begun.length <= LONGEST ? begun : `${begun.slice(0, LONGEST - 9)}_${digest(name, 8)}`;
}

function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length);
}
