import { DecisionCode } from '../engine/engine.js';
import { Half, Line, type KeyLines } from './key-table.js';
import type { Policy } from './policy.js';
import { WindowLog } from './window-log.js';

/** A bucket counts in thousandths of a request: milliseconds times requests per second, without a division. */
export const PARTS = 1000;
/** Requests under way; level of the bucket, its time, and when the key is idle. */
const HEADER = 4;

const NO_LOGS: readonly WindowLog[] = [];

/** What was taken under one key: the log of its first window, and whatever else its policy limits. */
export class KeyState extends WindowLog {
  /** Set when the key was dropped: a handle then looks it up again. */
  dropped = false;
  /** Of the bucket, at `levelAtMs`. */
  level: number;
  levelAtMs = 0;
  /** Of the other windows. */
  private readonly others: readonly WindowLog[];

  /** @param policy Any of the family. */
  constructor(
    lines: KeyLines,
    readonly policy: Policy,
    readonly low: number,
    readonly high: number,
  ) {
    const { windows } = policy;
    super(lines, lines.take(), windows.length > 0 ? windows[0].lengthMs : 0);
    lines.own(this.line, low, high, policy.family);
    this.level = policy.burst * PARTS;
    this.others = windows.length > 1 ? windows.slice(1).map(({ lengthMs }) => new WindowLog(lines, lines.take(), lengthMs)) : NO_LOGS;
  }

  /** Gives its lines back. */
  drop(): void {
    this.dropped = true;
    this.lines.give(this.line);
    for (const { line } of this.others) this.lines.give(line);
  }

  get inFlight(): number {
    return this.lines.half(this.line, Half.inFlight);
  }

  set inFlight(requests: number) {
    this.lines.setHalf(this.line, Half.inFlight, requests);
  }

  /** Order of use. */
  get touched(): number {
    return this.lines.get(this.line, Line.touched);
  }

  /** The log of the policy's window with this index. */
  log(index: number): WindowLog {
    return index === 0 ? this : this.others[index - 1];
  }

  /** Whether it tells no more than a key never seen. */
  isIdle(nowMs: number): boolean {
    if (this.inFlight > 0 || nowMs < this.emptyAtMs()) return false;
    for (const log of this.others) if (nowMs < log.emptyAtMs()) return false;
    return this.policy.rate === null || levelAt(this.policy, this, nowMs) >= this.policy.burst * PARTS;
  }

  /** Forgets what is over at `atMs`. */
  pruneAll(atMs: number): void {
    this.prune(atMs);
    for (const log of this.others) log.prune(atMs);
  }

  /** Takes one of so many places, if one is free. */
  occupy(places: number): boolean {
    const { inFlight } = this;
    if (inFlight >= places) return false;
    this.inFlight = inFlight + 1;
    return true;
  }

  /** Gives back one of the requests under way. */
  release(): void {
    if (this.inFlight > 0) this.inFlight -= 1;
  }

  /** Writes everything from the beginning of `numbers` on, as the addon reads it. Returns how many numbers that are. */
  writeAll(numbers: Float64Array, originMs: number): number {
    numbers[0] = this.inFlight;
    numbers[1] = this.level;
    numbers[2] = this.levelAtMs + originMs;
    numbers[3] = this.idleAtMs() + originMs;
    let at = HEADER;
    for (let index = 0; index < this.policy.windows.length; index++) at = this.log(index).write(numbers, at, originMs);
    return at;
  }

  /** Fills a new state with one that was written. */
  readAll(numbers: Float64Array, originMs: number): void {
    this.inFlight = numbers[0];
    this.level = numbers[1];
    this.levelAtMs = numbers[2] - originMs;
    let at = HEADER;
    for (let index = 0; index < this.policy.windows.length; index++) at = this.log(index).read(numbers, at, originMs);
  }

  /** How many numbers `writeAll` needs. */
  get numbersOfAll(): number {
    return this.others.reduce((sum, log) => sum + log.numbers, HEADER + this.numbers);
  }

  /** Takes what was decided at `atMs`. */
  take(policy: Policy, cost: number, tokens: number, atMs: number): void {
    const { windows } = policy;
    if (policy.rate !== null) {
      this.level = levelAt(policy, this, atMs) - cost * PARTS;
      this.levelAtMs = atMs;
    }
    for (let index = 0; index < windows.length; index++) {
      if (!isLogged(policy, index, cost, tokens)) continue;
      this.log(index).add(atMs, cost, windows[index].code === DecisionCode.minute ? tokens : 0);
    }
    if (policy.maxConcurrent !== Infinity) this.inFlight += 1;
  }

  private idleAtMs(): number {
    const { rate, burst } = this.policy;
    const fullAtMs = rate === null ? 0 : this.levelAtMs + waitForLevel(this.level, burst * PARTS, rate);
    return this.others.reduce((latest, log) => Math.max(latest, log.emptyAtMs()), Math.max(fullAtMs, this.emptyAtMs()));
  }
}

/** A taking of nothing is remembered where its tokens may be corrected later. */
export function isLogged(policy: Policy, index: number, cost: number, tokens: number): boolean {
  return cost > 0 || (policy.windows[index].code === DecisionCode.minute && (tokens > 0 || policy.tokensPerMinute !== Infinity));
}

/** What the bucket holds at `atMs`, in thousandths; a key that is not held has a full one. */
export function levelAt(policy: Policy, state: KeyState | null, atMs: number): number {
  const full = policy.burst * PARTS;
  return state === null ? full : Math.min(full, state.level + (atMs - state.levelAtMs) * (policy.rate ?? 0));
}

/** Whole milliseconds until a bucket at `level` holds `wanted`. */
export function waitForLevel(level: number, wanted: number, rate: number): number {
  if (level >= wanted) return 0;
  let ms = Math.ceil((wanted - level) / rate);
  // The division was rounded, the flow is not. One step will do, but where the rate is lost beside the level: then steps of 1 would take years.
  for (let step = 1; ms <= Number.MAX_SAFE_INTEGER && level + ms * rate < wanted; step *= 2) ms += step;
  return ms <= Number.MAX_SAFE_INTEGER ? ms : Infinity;
}
