/** The fields of a body that make its prompt. */
export interface PromptFields {
  readonly model?: unknown;
  readonly messages?: unknown;
  readonly input?: unknown;
  readonly prompt?: unknown;
  readonly system?: unknown;
  readonly instructions?: unknown;
  readonly tools?: unknown;
  readonly functions?: unknown;
}

/** Remembers the prompt of a request: its guard and `LlmClient` count the same one. */
export interface PromptMemory {
  prompt: CountedPrompt | undefined;
}

/** A prompt with more values is counted each time. */
const MOST_VALUES = 200_000;

/** The count of a prompt, and the values that it was made of. */
export class CountedPrompt {
  private constructor(
    readonly tokens: number,
    private readonly values: readonly unknown[],
  ) {}

  /** `undefined` if there are too many values to remember. */
  static of(tokens: number, request: PromptFields): CountedPrompt | undefined {
    const values = valuesOf(request);
    return values === undefined ? undefined : new CountedPrompt(tokens, values);
  }

  /** Whether no value of the prompt has changed. */
  isOf(request: PromptFields): boolean {
    const { values } = this;
    const current = valuesOf(request);
    return current?.length === values.length && current.every((value, index) => value === values[index]);
  }
}

/** All objects, keys and values, breadth first: a body may be nested deeper than the stack. */
function valuesOf({ model, messages, input, prompt, system, instructions, tools, functions }: PromptFields): unknown[] | undefined {
  const values: unknown[] = [model, messages, input, prompt, system, instructions, tools, functions];
  for (let at = 0; at < values.length; at++) {
    const value = values[at];
    if (typeof value !== 'object' || value === null) continue;
    if (Array.isArray(value)) for (let i = 0; i < value.length && values.length <= MOST_VALUES; i++) values.push(value[i]);
    else for (const key in value) values.push(key, (value as Record<string, unknown>)[key]);
    if (values.length > MOST_VALUES) return undefined;
  }
  return values;
}
