import { isObject, type Fields } from '../../common/objects.js';
import { refused } from '../parameters.js';
import type { AnswerReader, AnswerTranslator, SentRequest } from '../protocol.js';
import { OPENAI_READER } from './reader.js';

/** Fields of an answer of another protocol. */
export interface ReadEmbeddings {
  readonly vectors: unknown;
  /** `undefined`: the provider states none. */
  readonly tokens: number | undefined;
}

/** How a protocol reads the answer to a request for embeddings. */
export interface EmbeddingsReader {
  /** An error instead of an answer, in OpenAI's format. */
  readonly errorIn: (answer: string) => Buffer | undefined;
  readonly read: (answer: Fields) => ReadEmbeddings;
}

const BYTES_PER_TOKEN = 4;
const NO_BYTES = Buffer.alloc(0);

/** Writes another protocol's embeddings as OpenAI's list. */
export class EmbeddingsTranslator implements AnswerTranslator {
  readonly pending = 0;
  private readonly isBase64: boolean;
  private isCounted = false;

  readonly reader: AnswerReader = {
    ...OPENAI_READER,
    // If the provider states no tokens, the router's estimate is better than ours.
    usageIn: (bytes) => (this.isCounted ? OPENAI_READER.usageIn(bytes) : undefined),
  };

  /** @throws UnsupportedRequestError for an unknown format */
  constructor(
    private readonly sent: SentRequest,
    { encoding_format: format }: Fields,
    private readonly texts: readonly string[],
    private readonly answers: EmbeddingsReader,
  ) {
    // The openai SDK requests base64 by default.
    this.isBase64 = format === 'base64';
    if (!this.isBase64 && format !== undefined && format !== null && format !== 'float')
      throw refused('encoding_format', sent, 'only float and base64 are supported');
  }

  whole(answer: Buffer): Buffer {
    const json = answer.toString('utf8');
    return this.answers.errorIn(json) ?? Buffer.from(JSON.stringify(this.list(JSON.parse(json))));
  }

  chunk(): Buffer {
    throw new Error('embeddings cannot be streamed');
  }

  end(): Buffer {
    return NO_BYTES;
  }

  private list(answer: unknown): Fields {
    const { texts, sent, answers } = this;
    const { vectors, tokens } = answers.read(isObject(answer) ? answer : {});
    if (!Array.isArray(vectors) || vectors.length !== texts.length || !vectors.every(Array.isArray))
      throw new SyntaxError(`the response must have one embedding for each of the ${texts.length} texts`);
    this.isCounted = tokens !== undefined;
    const used = tokens ?? Math.ceil(texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) / BYTES_PER_TOKEN);
    const data = (vectors as readonly (readonly number[])[]).map((values, index) => ({
      object: 'embedding',
      index,
      embedding: this.isBase64 ? Buffer.from(Float32Array.from(values).buffer).toString('base64') : values,
    }));
    return { object: 'list', data, model: sent.model, usage: { prompt_tokens: used, total_tokens: used } };
  }
}
