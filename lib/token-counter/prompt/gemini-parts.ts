import { InvalidArgumentError } from '../../common/errors.js';
import { countContent, countImage } from './content-parts.js';
import { countJson, countString, countText, countUnread, isRecord, type PromptContext } from './prompt-context.js';

type Part = Readonly<Record<string, unknown>>;

/**
 * Counts a message's `parts`: Gemini's, which have no type, or typed ones as in `content`.
 *
 * @throws InvalidArgumentError naming the part (`messages[2].parts[1]`).
 */
export function countParts(parts: unknown, path: string, context: PromptContext): number {
  if (!Array.isArray(parts)) throw new InvalidArgumentError(path, parts, 'must be an array of parts');
  let tokens = 0;
  for (let i = 0; i < parts.length; i++) {
    const part: unknown = parts[i];
    const isGemini = isRecord(part) && part.type === undefined;
    tokens += isGemini ? countPart(part, `${path}[${i}]`, context) : countContent([part], `${path}[${i}]`, context);
  }
  return tokens;
}

function countPart(part: Part, path: string, context: PromptContext): number {
  if (typeof part.text === 'string') return countString(part.text, context);
  const blob = part.inlineData ?? part.inline_data;
  if (isRecord(blob)) return countImage(typeof blob.data === 'string' ? blob.data : undefined, 'high', context);
  if (isRecord(part.fileData ?? part.file_data)) return countImage(undefined, 'high', context);
  const call = part.functionCall ?? part.function_call ?? part.functionResponse ?? part.function_response;
  if (isRecord(call)) return countText(call.name, context) + countJson(call.args ?? call.response, path, context);
  if (context.estimatesUnknown === true) return countUnread(part, context);
  throw new InvalidArgumentError(
    path,
    part,
    'must have a text, inlineData, fileData, functionCall or functionResponse',
    'UNKNOWN_CONTENT_TYPE',
  );
}
