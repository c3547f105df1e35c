import type * as Jinja from '@huggingface/jinja';
import { isObject, jsonIn } from '../../common/objects.js';
import { errorMessage } from '../../common/errors.js';
import { isInstalled, loadOptionalPackage } from '../../common/optional-package.js';
import type { ChatTemplateSource } from '../tokenizers/chat-template-file.js';

/** A model's chat template. Rendering takes 0.1 to 0.2 ms for a short chat. */
export class ChatTemplate {
  private compiled: Jinja.Template | undefined = undefined;

  constructor(private readonly source: ChatTemplateSource) {}

  /** Whether `@huggingface/jinja` is there. */
  static isAvailable(): boolean {
    return isInstalled(() => require.resolve('@huggingface/jinja'));
  }

  /**
   * The prompt of a chat of texts, and why there is none: parts that are not text, tools in another
   * shape than OpenAI's or of a template that has none, or what the template refuses.
   * @throws MissingPackageError without `@huggingface/jinja`.
   */
  render(messages: readonly object[], tools: readonly unknown[] | null | undefined): { readonly text?: string; readonly refusal?: string } {
    const { Template } = openJinja();
    const { template, bosToken, eosToken } = this.source;
    if (messages.some((message) => plainMessage(message, '', true) === undefined))
      return { refusal: 'messages have parts that are not text' };
    if ((tools?.length ?? 0) > 0 && !/\btools\b/.test(template)) return { refusal: 'the template does not support tools' };
    if (tools?.some((tool) => !isObject(tool) || !isObject(tool.function)) === true) return { refusal: "tools are not in OpenAI's format" };
    let refusal: string | undefined = undefined;
    const hasObjects = !JOINS_ARGUMENTS.test(template);
    for (const none of TELLS_NONE.test(template) ? ([null, ''] as const) : ([''] as const)) {
      try {
        this.compiled ??= new Template(template);
        const plain = messages.map((message) => plainMessage(message, none, hasObjects));
        const given = { messages: plain, tools: tools ?? null, add_generation_prompt: true };
        return { text: this.compiled.render({ ...given, bos_token: bosToken, eos_token: eosToken }) };
      } catch (error) {
        refusal ??= `the template cannot be rendered (${errorMessage(error)})`;
      }
    }
    return { refusal };
  }
}

/** Some templates, such as DeepSeek's, recognize calls by empty content; most accept text. */
const TELLS_NONE = /\bis (?:not )?none\b/;
/** A template that joins the arguments of a call, a text, with others; most write an object. */
const JOINS_ARGUMENTS = /\+[^+{}]{0,80}\barguments\b[^+{}]{0,8}\+/;

function openJinja(): typeof Jinja {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return loadOptionalPackage('@huggingface/jinja', 'rendering a chat template', () => require('@huggingface/jinja') as typeof Jinja);
}

/**
 * With a text or `none` as its content, and arguments of calls as objects if they are to be so;
 * `undefined` if it has other parts.
 */
function plainMessage(message: object, none: '' | null, hasObjects: boolean): Record<string, unknown> | undefined {
  if (!isObject(message)) return undefined;
  const content = textOf(message.content, none);
  if (content === undefined) return undefined;
  const given = Array.isArray(message.tool_calls) ? (message.tool_calls as readonly unknown[]) : undefined;
  const calls = hasObjects ? given?.map(plainCall) : given;
  return calls === undefined ? { ...message, content } : { ...message, content, tool_calls: calls };
}

function textOf(content: unknown, none: '' | null): string | null | undefined {
  if (content === undefined || content === null) return none;
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return undefined;
  const texts = (content as readonly unknown[]).map((part) => (isObject(part) && part.type === 'text' ? part.text : undefined));
  return texts.every((text) => typeof text === 'string') ? texts.join('\n') : undefined;
}

function plainCall(call: unknown): unknown {
  if (!isObject(call) || !isObject(call.function) || typeof call.function.arguments !== 'string') return call;
  const given = jsonIn(call.function.arguments);
  return given === undefined ? call : { ...call, function: { ...call.function, arguments: given } };
}
