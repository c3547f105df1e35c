import { InvalidArgumentError } from '../../common/errors.js';
import { fieldsOf, listOf, type Fields } from '../../common/objects.js';
import { checkArray, checkObject, refuseArgument } from '../../common/options.js';
import { field } from './fields.js';

/** Google's methods for embeddings: of one content, or of each request in a list. */
export type EmbeddingMethod = 'embedContent' | 'batchEmbedContents';

/** Settings that all requests of a batch share. */
const SETTINGS = ['outputDimensionality', 'taskType', 'title'] as const;

/**
 * A request of Google's as one of OpenAI's embeddings. `taskType` and `title`, which are Google's
 * own, are sent only if the client sets them.
 * @throws InvalidArgumentError for a content without text, and for requests with other settings
 */
export function embeddingRequest(body: unknown, method: EmbeddingMethod): Fields {
  const given = checkObject('body', body, refuseArgument);
  const paths =
    method === 'embedContent'
      ? [['', given] as const]
      : checkArray(
          'requests',
          given.requests,
          (path, each) => [`${path}.`, checkObject(path, each, refuseArgument)] as const,
          refuseArgument,
        );
  if (paths.length === 0) throw new InvalidArgumentError('requests', given.requests, 'must have at least one request');
  const input = paths.map(([path, request]) => textOf(`${path}content`, request.content));
  const [[, first]] = paths;
  const settings = SETTINGS.flatMap((name): [string, unknown][] => {
    const value = settingOf(first, name);
    const [otherPath] = paths.find(([, request]) => settingOf(request, name) !== value) ?? [];
    if (otherPath !== undefined) throw new InvalidArgumentError(otherPath + name, undefined, 'must be the same for all requests');
    return value === undefined ? [] : [[name === 'outputDimensionality' ? 'dimensions' : name, value]];
  });
  return { input, encoding_format: 'float', ...Object.fromEntries(settings) };
}

/** At the top, or in `embedContentConfig` of newer SDKs. */
function settingOf(request: Fields, name: string): unknown {
  return field(request, name) ?? field(fieldsOf(field(request, 'embedContentConfig')), name);
}

function textOf(path: string, content: unknown): string {
  const parts = typeof content === 'string' ? [{ text: content }] : listOf(checkObject(path, content, refuseArgument).parts);
  if (parts.length === 0) throw new InvalidArgumentError(`${path}.parts`, parts, 'must be a non-empty array');
  const texts = parts.map((part, at) => {
    const { text } = fieldsOf(part);
    if (typeof text !== 'string') throw new InvalidArgumentError(`${path}.parts[${at}].text`, text, 'must be a string');
    return text;
  });
  return texts.join('\n');
}

/** OpenAI's list of embeddings in Google's shape. @throws TypeError for anything else */
export function embeddingsAnswer(answer: Buffer, method: EmbeddingMethod): Buffer {
  const { data, usage } = fieldsOf(JSON.parse(answer.toString('utf8')));
  if (!Array.isArray(data)) throw new TypeError('the answer has no embeddings');
  const embeddings = (data as readonly unknown[]).map((each) => ({ values: fieldsOf(each).embedding }));
  const { prompt_tokens: tokens } = fieldsOf(usage);
  const usageMetadata = typeof tokens === 'number' ? { usageMetadata: { promptTokenCount: tokens } } : {};
  const own = method === 'embedContent' ? { embedding: embeddings[0] } : { embeddings };
  return Buffer.from(JSON.stringify({ ...own, ...usageMetadata }));
}
