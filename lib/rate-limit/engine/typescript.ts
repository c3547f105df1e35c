import type { EngineName } from '../../common/capability.js';
import { InvalidArgumentError } from '../../common/errors.js';
import { HandleAllocator } from '../algorithm/handle-allocator.js';
import { KeyHash } from '../algorithm/key-hash.js';
import { KeyTable, type TableScope } from '../algorithm/key-table.js';
import { compilePolicy, MOST_FAMILIES, tooManyPolicies, type Policy } from '../algorithm/policy.js';
import type { Decision } from '../algorithm/decision.js';
import { DECISION_FIELDS, DecisionField, RateLimitEngine } from './engine.js';
import type { Ask, PolicyKey, PolicySpec, Settlement, SpaceStats } from './engine.js';

const FIELDS = Object.keys(DecisionField) as (keyof Decision)[];

/** The reference engine. */
export class TypeScriptRateLimitEngine extends RateLimitEngine {
  readonly engine: EngineName = 'typescript';
  readonly lastDecision = new Float64Array(DECISION_FIELDS);
  private readonly policies: Policy[] = [];
  private readonly policyHandles = new HandleAllocator(true);
  /** Never used again: keys of a family that is gone may still be held. */
  private readonly families = new HandleAllocator(false);
  private readonly tables = new Map<number, KeyTable>();
  private readonly tableHandles = new HandleAllocator(false);
  private readonly handles = new Map<number, { readonly table: KeyTable; readonly scope: TableScope }>();
  private readonly hash = new KeyHash();
  private opened = 0;

  policy(spec: PolicySpec): number {
    const compiled = compilePolicy(spec);
    if (this.families.size >= MOST_FAMILIES && !this.families.has(compiled.common)) throw tooManyPolicies(spec);
    const handle = this.policyHandles.open(compiled.identity);
    this.policies[handle] = { ...compiled, family: this.families.open(compiled.common) };
    return handle;
  }

  closePolicy(policy: number): void {
    const { common, identity } = this.policies[policy];
    this.families.close(common);
    this.policyHandles.close(identity);
  }

  open(name: string | null, maxKeys: number): number {
    const unique = name === null ? `private ${this.opened++}` : `named ${name}`;
    const space = this.tableHandles.open(unique);
    const table = this.tables.get(space);
    if (table !== undefined) table.maxKeys = maxKeys;
    else this.tables.set(space, new KeyTable(unique, maxKeys));
    return space;
  }

  close(space: number): void {
    if (this.tableHandles.close(this.table(space).name)) this.tables.delete(space);
  }

  check(space: number, scope: PolicyKey, ask: Ask): number {
    return this.tell(this.table(space).check(this.scope(scope), ask));
  }

  checkAll(space: number, scopes: readonly PolicyKey[], ask: Ask): number {
    return this.tell(
      this.table(space).checkAll(
        scopes.map((scope) => this.scope(scope)),
        ask,
      ),
    );
  }

  peek(space: number, scope: PolicyKey, ask: Ask): number {
    return this.tell(this.table(space).peek(this.scope(scope), ask));
  }

  settle(space: number, scope: PolicyKey, settlement: Settlement): void {
    this.table(space).settle(this.scope(scope), settlement);
  }

  release(space: number, scope: PolicyKey, takenAtMs: number): void {
    this.table(space).release(this.scope(scope), takenAtMs);
  }

  reset(space: number, scope: PolicyKey): void {
    this.table(space).reset(this.scope(scope));
  }

  stats(space: number): SpaceStats {
    return this.table(space).stats;
  }

  handle(space: number, scope: PolicyKey): number {
    const handle = this.opened++;
    this.handles.set(handle, { table: this.table(space), scope: this.scope(scope) });
    return handle;
  }

  checkHandle(handle: number, ask: Ask): number {
    const known = this.handles.get(handle);
    if (known === undefined) throw new InvalidArgumentError('handle', handle, 'must be open');
    return this.tell(known.table.check(known.scope, ask));
  }

  closeHandle(handle: number): void {
    this.handles.delete(handle);
  }

  private scope({ policy, key }: PolicyKey): TableScope {
    const governing = this.policies[policy];
    return { policy: governing, key: this.hash.of(key, governing.family) };
  }

  private table(space: number): KeyTable {
    const table = this.tables.get(space);
    if (table === undefined) throw new InvalidArgumentError('space', space, 'must be open');
    return table;
  }

  private tell(decision: Decision): number {
    for (const field of FIELDS) this.lastDecision[DecisionField[field]] = decision[field];
    return decision.code;
  }
}
