import type { Fields } from '../../common/objects.js';
import type { ProviderHandler, ProviderRequest, ProviderTransport } from '../../providers/provider-transport.js';
import { ChatStreamWriter, chatCompletion } from './sdk-answer.js';
import { modelNamed, type ReadEmbeddingModel, type ReadLanguageModel, isWithoutAnswer, statedError } from './sdk-models.js';
import { modelOptions } from './sdk-request.js';

/** Headers of a provider that control retries after an error. */
const KEPT_HEADERS = ['retry-after', 'retry-after-ms', 'x-request-id', 'request-id'];

/** Answers requests of OpenAI's API by models of the AI SDK, as a server in this process would. */
export const AI_SDK_TRANSPORT: ProviderTransport = {
  dispatch(request, handler) {
    void new ModelExchange(handler).answer(request);
    return true;
  },
};

class ModelExchange {
  private readonly controller = new AbortController();
  private wake: (() => void) | undefined = undefined;

  constructor(private readonly handler: ProviderHandler) {}

  async answer({ body: sent }: ProviderRequest): Promise<void> {
    const { handler, controller } = this;
    handler.onConnect((error) => {
      controller.abort(error);
      this.wake?.();
    });
    try {
      const body = JSON.parse(String(sent)) as Fields;
      const name = String(body.model);
      const model = modelNamed(name);
      if (model === undefined)
        throw Object.assign(new Error(`no model ${name} was passed to fromAiSdk in this process`), { statusCode: 404 });
      handler.onRequestSent();
      if ('doEmbed' in model) this.json(200, await embeddingList(model, body, controller.signal));
      else if (body.stream === true) await this.stream(model, body);
      else this.json(200, chatCompletion(await model.doGenerate(modelOptions(body, model, controller.signal)), model.modelId));
    } catch (error) {
      this.fail(error);
    }
  }

  private async stream(model: ReadLanguageModel, body: Fields): Promise<void> {
    const { handler, controller } = this;
    const { stream } = await model.doStream(modelOptions(body, model, controller.signal));
    const reader = stream.getReader();
    const writer = new ChatStreamWriter(model.modelId);
    try {
      this.head(200, 'text/event-stream');
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        if (controller.signal.aborted) return;
        const events = writer.write(next.value);
        if (events !== '' && !handler.onData(Buffer.from(events))) await this.resumed();
      }
      writer.end();
      handler.onComplete();
    } catch (error) {
      handler.onError(error as Error);
    } finally {
      if (controller.signal.aborted) await reader.cancel(controller.signal.reason).catch(() => {});
    }
  }

  /** Waits until the reader of the stream has room again or disconnects. */
  private async resumed(): Promise<void> {
    if (!this.controller.signal.aborted) await new Promise<void>((resolve) => (this.wake = resolve));
    this.wake = undefined;
  }

  private fail(error: unknown): void {
    if (this.controller.signal.aborted || isWithoutAnswer(error)) return this.handler.onError(error as Error);
    const { status, message, type, headers } = statedError(error);
    this.json(status, { error: { message, type, param: null, code: null } }, headers);
  }

  private json(status: number, body: object, headers?: Readonly<Record<string, string>>): void {
    const { handler } = this;
    this.head(status, 'application/json', headers);
    handler.onData(Buffer.from(JSON.stringify(body)));
    handler.onComplete();
  }

  private head(status: number, type: string, more: Readonly<Record<string, string>> = {}): void {
    const kept = KEPT_HEADERS.flatMap((name) => (more[name] === undefined ? [] : [[name, more[name]]]));
    const raw = [['content-type', type], ...kept].flat().map((text) => Buffer.from(text));
    this.handler.onHeaders(status, raw, () => this.wake?.());
  }
}

/** In as many calls as the model needs. */
async function embeddingList(model: ReadEmbeddingModel, body: Fields, abortSignal: AbortSignal): Promise<object> {
  const { input, dimensions, encoding_format: format, provider_options: providerOptions } = body;
  const values = (Array.isArray(input) ? input : [input]) as unknown[];
  if (!values.every((value) => typeof value === 'string'))
    throw Object.assign(new Error('input: must be a string or an array of strings'), { statusCode: 400 });
  const most = (await model.maxEmbeddingsPerCall) ?? Infinity;
  const vectors: (readonly number[])[] = [];
  let tokens = 0;
  while (vectors.length < values.length) {
    const part = values.slice(vectors.length, most === Infinity ? undefined : vectors.length + most);
    const options = { values: part, abortSignal, providerOptions: providerOptions as Fields | undefined };
    const { embeddings, usage } = await model.doEmbed({ ...options, ...(typeof dimensions === 'number' && { dimensions }) });
    if (embeddings.length !== part.length) throw new Error('the model must return one embedding per text');
    vectors.push(...embeddings);
    tokens += usage?.tokens ?? 0;
  }
  const written = (vector: readonly number[]): unknown =>
    format === 'base64' ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector;
  return {
    object: 'list',
    model: model.modelId,
    data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: written(vector) })),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  };
}
