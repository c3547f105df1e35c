import { errorMessage } from '../../common/errors.js';
import type { AccelerationTarget } from '../acceleration.options.js';
import { findCopies, loadFrom, type InstalledCopy } from './installed-copies.js';
import { MethodPatch, type Method } from '../method-patch.js';
import type { CopyStatus, TargetStatus } from '../patch-status.js';
import type { NativeTokenizer } from '../native-tokenizer.js';

/** One library: finds its copies, patches them and keeps their status. */
export abstract class LibraryTarget {
  abstract readonly name: AccelerationTarget;
  /** Versions that the patches were tested with. */
  protected abstract readonly versions: VersionRange;
  /** The files of a copy with the patched classes: CommonJS and ES modules. */
  protected abstract readonly files: readonly string[];
  /** Packages that may depend on another copy. */
  protected readonly through: readonly string[] = [];

  /** Answers instead of the library; `null` while the library answers itself. */
  protected tokenizer: NativeTokenizer | null = null;
  private readonly patches = new Map<object, Map<string, MethodPatch>>();
  private readonly tally = { native: 0, library: 0 };
  private readonly passedOver = new Map<string, number>();
  private copies: readonly CopyStatus[] = [];
  private isWanted = false;

  /**
   * Patches all copies that are found. May be called again for copies that were installed or loaded
   * since.
   */
  apply(standIn: NativeTokenizer): void {
    this.isWanted = true;
    this.tokenizer = standIn;
    this.copies = findCopies(this.name, this.through).map((copy) => this.applyTo(copy));
  }

  /** Restores the original functions. */
  remove(): void {
    this.isWanted = false;
    this.tokenizer = null;
    this.copies = [];
    for (const patch of this.all()) patch.remove();
  }

  status(): TargetStatus {
    const { native, library } = this.tally;
    const counts = { answeredNatively: native, passedOn: library, passedOver: Object.fromEntries(this.passedOver) };
    const { copies } = this;
    if (!this.isWanted) {
      const isCovered = this.all().some(({ state }) => state === 'covered');
      const reason = 'another library has patched these functions after us; our patch is now inactive';
      return { state: isCovered ? 'covered' : 'not_applied', ...(isCovered && { reason }), copies, ...counts };
    }
    if (copies.length === 0) return { state: 'not_installed', reason: `${this.name} is not installed`, copies, ...counts };
    if (copies.some(({ state }) => state === 'patched')) return { state: 'patched', copies, ...counts };
    return { state: 'left_alone', reason: copies[0].reason, copies, ...counts };
  }

  /** Patches the exports of one file of a copy. */
  protected abstract patch(exported: object, copy: InstalledCopy): void;

  /** Patches one method, once. */
  protected replace<M extends Method>(holder: object, name: string, make: (original: M) => M): void {
    let patches = this.patches.get(holder);
    if (patches === undefined) this.patches.set(holder, (patches = new Map<string, MethodPatch>()));
    let patch = patches.get(name);
    if (patch === undefined) patches.set(name, (patch = new MethodPatch(holder, name, make as unknown as (original: Method) => Method)));
    if (patch.apply() === 'foreign') throw new Error(`another copy of this package has patched ${name}`);
    if (patch.state === 'removed') throw new Error(`cannot patch ${name}`);
  }

  /** A method that answers with `answer`, or else as the library. Counts who has answered. */
  protected answering<T, A extends unknown[], R>(
    original: (this: T, ...args: A) => R,
    answer: (tokenizer: T, ...args: A) => R | undefined,
  ): (this: T, ...args: A) => R {
    const { tally } = this;
    return function (...args) {
      const found = answer(this, ...args);
      tally[found === undefined ? 'library' : 'native']++;
      return found === undefined ? original.apply(this, args) : found;
    };
  }

  /** Counts a tokenizer that the library keeps answering for. */
  protected leave(reason: string): null {
    this.passedOver.set(reason, (this.passedOver.get(reason) ?? 0) + 1);
    return null;
  }

  private applyTo(copy: InstalledCopy): CopyStatus {
    const { from, to } = this.versions;
    if (!isWithin(copy.version, this.versions))
      return { ...copy, state: 'left_alone', reason: `unsupported version ${copy.version}; supported: ${from} to ${to}` };
    const failures = this.files.flatMap((file) => {
      try {
        this.patch(loadFrom(copy, file) as object, copy);
        return [];
      } catch (error) {
        return [`${file}: ${errorMessage(error)}`];
      }
    });
    const isPatched = failures.length < this.files.length;
    return { ...copy, state: isPatched ? 'patched' : 'left_alone', ...(failures.length > 0 && { reason: failures.join('; ') }) };
  }

  private all(): MethodPatch[] {
    return [...this.patches.values()].flatMap((patches) => [...patches.values()]);
  }
}

/** Tested versions, both ends included. */
interface VersionRange {
  readonly from: string;
  readonly to: string;
}

const RELEASE = /^(\d+)\.(\d+)\.(\d+)$/;

/** Whether a version is in the range. A pre-release is not. */
export function isWithin(version: string, { from, to }: VersionRange): boolean {
  return RELEASE.test(version) && compare(version, from) >= 0 && compare(version, to) <= 0;
}

function compare(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  const at = left.findIndex((number, index) => number !== right[index]);
  return at < 0 ? 0 : left[at] - right[at];
}
