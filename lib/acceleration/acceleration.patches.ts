import { targetsOf, type AccelerationOptions, type AccelerationTarget } from './acceleration.options.js';
import { GptTokenizerTarget } from './libraries/gpt-tokenizer.js';
import { JsTiktokenTarget } from './libraries/js-tiktoken.js';
import type { PatchStatus, TargetStatus } from './patch-status.js';
import type { NativeTokenizer } from './native-tokenizer.js';
import { TiktokenTarget } from './libraries/tiktoken.js';
import { UndiciTarget, type RequestPool } from './libraries/undici.js';

/** The patches that one owner has asked for. */
interface Request {
  readonly tokenizer: NativeTokenizer;
  readonly pool?: RequestPool;
  readonly targets: readonly AccelerationTarget[];
}

/**
 * The patches of this thread, whose instances share its libraries. The most recent owner provides
 * the engine.
 */
class Patches {
  private readonly requests = new Map<object, Request>();
  private readonly tokenizers = [new JsTiktokenTarget(), new TiktokenTarget(), new GptTokenizerTarget()];
  private readonly undici = new UndiciTarget();

  /**
   * Patches what `owner` asks for. Returns `false`, and patches nothing, without a native engine.
   */
  apply(owner: object, { tokenizer: standIn, pool }: Omit<Request, 'targets'>, options: AccelerationOptions): boolean {
    const targets = targetsOf(options);
    if (standIn.choice.native === null) return false;
    const before = this.requests.get(owner)?.targets ?? [];
    this.requests.delete(owner);
    this.requests.set(owner, { tokenizer: standIn, pool, targets: [...new Set([...before, ...targets])] });
    this.update(targets);
    return true;
  }

  /** Removes the patches of all owners. */
  removeAll(): boolean {
    const any = this.requests.size > 0;
    this.requests.clear();
    this.update();
    return any;
  }

  /** Removes the patches that only `owner` has asked for. */
  release(owner: object): void {
    if (this.requests.delete(owner)) this.update();
  }

  status(own: NativeTokenizer): PatchStatus {
    const latest = [...this.requests.values()].at(-1)?.tokenizer;
    const { active, reason } = (latest ?? own).choice;
    const targets = Object.fromEntries([...this.tokenizers, this.undici].map((target) => [target.name, target.status()]));
    return {
      applied: latest !== undefined,
      rustAvailable: active === 'native',
      reason,
      targets: targets as Record<AccelerationTarget, TargetStatus>,
    };
  }

  /** Applies or removes each target by the requests. Targets in `again` look for new copies. */
  private update(again?: readonly AccelerationTarget[]): void {
    const requests = [...this.requests.values()].reverse();
    const latest = (target: AccelerationTarget): Request | undefined => requests.find(({ targets }) => targets.includes(target));
    const dispatching = latest('undici');
    if (dispatching === undefined) this.undici.remove();
    else this.undici.apply(dispatching.pool);
    for (const target of this.tokenizers) {
      const request = latest(target.name);
      if (request === undefined) target.remove();
      else if (again === undefined || again.includes(target.name)) target.apply(request.tokenizer);
    }
  }
}

export const patches = new Patches();
