import { custom, oneOf, type OptionsOf, type Resolved } from '../../common/option.js';
import { checkArray, checkKnownKeys, checkObject, checkOneOf, checkString, joinPath, type Refuse } from '../../common/options.js';
import { isObject, listOf, type Fields } from '../../common/objects.js';
import type { GuardedText, Guardrail, GuardrailInput, GuardrailVerdict } from '../guardrail.js';
import { guardrailKind, type ResolvedEntry } from '../guardrail-kind.js';
import { CustomPattern } from './custom-pattern.js';

type Decision = 'allow' | 'deny';
const DECISIONS: readonly Decision[] = ['allow', 'deny'];

/** A rule of `rules`. */
interface ToolRule {
  readonly id: string;
  readonly name: CustomPattern | undefined;
  readonly type: CustomPattern | undefined;
  readonly decision: Decision;
  /** By the path of an argument, such as `to[].address`. */
  readonly params: readonly (readonly [path: string, pattern: CustomPattern])[];
}

/** A tool that a request offers, or that a model calls. */
interface Tool {
  readonly name: string | undefined;
  readonly type: string;
  /** JSON; `undefined` in a request, where only names are judged. */
  readonly args?: string;
}

export const PARAMS = {
  /**
   * `{ id, tool_name, tool_type, decision: allow | deny, allowed_param_patterns: { path: pattern }
   * }`; the first rule that matches decides. Patterns are expressions of RE2 for the whole name or
   * value, and need the package `re2js`.
   */
  rules: custom<readonly object[], readonly ToolRule[]>('list of objects', checkRules, []),
  /** For tools that no rule matches. Default `deny`. */
  default_action: oneOf(DECISIONS, { default: 'deny' }),
  /** A request or an answer with a denied tool is denied. Default `block`, and nothing else. */
  on_disallowed_action: oneOf(['block'], { default: 'block' }),
};

/** `litellm_params` of the type. */
export interface ToolPermissionParams extends OptionsOf<typeof PARAMS> {}

/** Allows or denies tools by their name, their type and their arguments. */
export const TOOL_PERMISSION = guardrailKind({
  id: 'tool_permission',
  modes: ['pre_call', 'during_call', 'post_call', 'logging_only'],
  params: PARAMS,
  create: (entry) => new ToolPermission(entry),
});

class ToolPermission implements Guardrail {
  readonly abilities;
  private readonly rules: readonly ToolRule[];
  private readonly isAllowedByDefault: boolean;

  constructor({ params, modes, path, refuse }: ResolvedEntry<Resolved<typeof PARAMS>>) {
    this.abilities = { modes, rewrites: false, readsToolNames: true };
    this.rules = params.rules;
    this.isAllowedByDefault = params.default_action === 'allow';
    if (this.isAllowedByDefault && !params.rules.some(({ decision, params: args }) => decision === 'deny' || args.length > 0))
      throw refuse(joinPath(path, 'rules'), undefined, 'must have a rule that denies a tool, since default_action allows all');
  }

  check({ side, texts, call }: GuardrailInput): GuardrailVerdict {
    if (side === 'request') {
      for (const tool of offeredTools(call.body)) {
        const reason = this.reasonAgainst(tool);
        if (reason !== undefined) return denial(tool, reason, 'tools');
      }
      return undefined;
    }
    for (const text of texts) {
      const tool = calledTool(text);
      const reason = tool && this.reasonAgainst(tool);
      if (reason !== undefined) return denial(tool!, reason, text.path);
    }
    return undefined;
  }

  /** Nothing of a called tool passes before it is judged: its name is judged when it arrives. */
  heldBack(): number {
    return 0;
  }

  /** @returns why the tool is denied; `undefined`: it is allowed */
  private reasonAgainst(tool: Tool): string | undefined {
    let failed: string | undefined;
    for (const { id, name, type, decision, params } of this.rules) {
      if (name !== undefined && !name.matches(tool.name ?? tool.type)) continue;
      if (type !== undefined && !type.matches(tool.type)) continue;
      if (params.length > 0 && tool.args !== undefined) {
        const args = parsed(tool.args);
        if (args === undefined) return `has arguments that rule '${id}' cannot read`;
        const wrong = params.find(([path, pattern]) => !valuesAt(args, path).every((value) => pattern.matches(textOf(value))));
        if (wrong !== undefined) {
          failed ??= `has an argument ${wrong[0]} that rule '${id}' does not allow`;
          continue;
        }
      }
      return decision === 'allow' ? undefined : `denied by rule '${id}'`;
    }
    return this.isAllowedByDefault ? undefined : (failed ?? 'denied by default action');
  }
}

function denial({ name, type }: Tool, reason: string, path: string): GuardrailVerdict {
  const details = { detection_message: `Tool '${name ?? type}' ${reason}` };
  return {
    block: { message: 'Violated guardrail policy', details },
    findings: [{ kind: 'tool', path, action: 'blocked', count: 1 }],
  };
}

/** The tools of a request, in any API. */
function* offeredTools(body: Fields): Generator<Tool> {
  for (const entry of [...listOf(body.tools), ...listOf(body.functions), ...listOf(body.mcp_servers)]) {
    if (!isObject(entry)) continue;
    const inner = [entry.function, entry.custom].find(isObject) ?? entry;
    const type = typeof entry.type === 'string' ? entry.type : 'function';
    const members = [...listOf(entry.tools), ...listOf(entry.functionDeclarations), ...listOf(entry.function_declarations)];
    if (typeof inner.name === 'string') yield { name: inner.name, type };
    else if (members.length === 0) yield { name: undefined, type: typeof entry.type === 'string' ? type : (Object.keys(entry)[0] ?? type) };
    for (const member of members) if (isObject(member) && typeof member.name === 'string') yield { name: member.name, type: 'function' };
  }
}

function calledTool({ kind, text, tool }: GuardedText): Tool | undefined {
  if (kind === 'tool_name') return { name: text, type: 'function' };
  return kind === 'arguments' ? { name: tool, type: 'function', args: text } : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** The values at a path such as `a.b[].c`; none: one absent value, which matches no pattern. */
function valuesAt(value: unknown, path: string): readonly unknown[] {
  let values: readonly unknown[] = [value];
  for (const step of path.split('.')) {
    const name = step.replace(/\[\]$/, '');
    values = values.map((each) => (isObject(each) ? each[name] : undefined));
    if (step.endsWith('[]')) values = values.flatMap((each) => (Array.isArray(each) ? (each as readonly unknown[]) : [undefined]));
  }
  return values;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function checkRules(path: string, value: unknown, refuse: Refuse): readonly ToolRule[] {
  const ids = new Set<string>();
  return checkArray(
    path,
    value,
    (at, entry) => {
      const rule = checkObject(at, entry, refuse);
      checkKnownKeys(at, rule, ['id', 'tool_name', 'tool_type', 'decision', 'allowed_param_patterns'], refuse);
      const id = checkString(joinPath(at, 'id'), rule.id, refuse);
      if (ids.has(id)) throw refuse(joinPath(at, 'id'), id, 'must be unique');
      ids.add(id);
      const [name, type] = ['tool_name', 'tool_type'].map((key) => patternOf(joinPath(at, key), rule[key], refuse));
      if (name === undefined && type === undefined) throw refuse(at, unshownRule, 'must have a tool_name or a tool_type');
      const decision = typeof rule.decision === 'string' ? rule.decision.toLowerCase() : rule.decision;
      const params = Object.entries(checkObject(joinPath(at, 'allowed_param_patterns'), rule.allowed_param_patterns ?? {}, refuse));
      return {
        id,
        name,
        type,
        decision: checkOneOf(joinPath(at, 'decision'), decision, DECISIONS, refuse),
        params: params.map(([argument, pattern]) => {
          const place = joinPath(joinPath(at, 'allowed_param_patterns'), argument);
          return [argument, CustomPattern.whole(place, checkString(place, pattern, refuse), refuse)] as const;
        }),
      };
    },
    refuse,
  );
}

const unshownRule = 'a rule without them';

function patternOf(path: string, value: unknown, refuse: Refuse): CustomPattern | undefined {
  if (value === undefined || value === null || (typeof value === 'string' && value.trim() === '')) return undefined;
  return CustomPattern.whole(path, checkString(path, value, refuse).trim(), refuse);
}
