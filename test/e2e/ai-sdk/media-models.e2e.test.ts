import type { ImageModelV3, RerankingModelV3, SpeechModelV3, TranscriptionModelV3 } from '@ai-sdk/provider';
import { APICallError, createProviderRegistry, experimental_generateSpeech, experimental_transcribe, generateImage, rerank } from 'ai';
import { FastLiteLLM } from 'nestjs-fast-litellm';
import { createFastLiteLLM, type FastLiteLLMProvider } from 'nestjs-fast-litellm/ai-sdk';
import { startProvider, type TestProvider } from 'nestjs-fast-litellm/testing';
import { PIXEL, SOUND } from '../../../lib/testing/protocols/openai-others.js';
import { deploymentOf, scripted, stopProviders } from '../../support/llm-client-providers.js';

const USUAL = { text: 'Hello', usage: { promptTokens: 5, completionTokens: 7 } };
const GROUPS = ['image', 'sound', 'ranker'];

let upstream: TestProvider;
let llm: FastLiteLLM;
let models: FastLiteLLMProvider;

beforeAll(async () => {
  upstream = await startProvider('openai', { script: USUAL });
  const modelList = GROUPS.map((group) =>
    deploymentOf(group, { name: `${group}-1`, apiBase: upstream.apiBase }, { model: `openai/${group}-model` }),
  );
  llm = new FastLiteLLM({ router: { modelList, numRetries: 0 }, rateLimit: { limits: { pair: { requestsPerMinute: 2 } } } });
  models = createFastLiteLLM(llm);
});
afterEach(() => upstream.use(USUAL));
afterAll(async () => {
  await llm.close();
  await upstream.close();
  await stopProviders();
});

/** The provider answers this JSON with a status. */
const answering = (body: object, status = 200): void =>
  upstream.use({
    respond: (response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    },
  });
const deploymentIn = (metadata: Readonly<Record<string, unknown>> | undefined): unknown =>
  (metadata?.fastLiteLLM as { readonly deploymentId?: string } | undefined)?.deploymentId;

it('are models of the SDK for the compiler, and in its registries', () => {
  const each: [ImageModelV3, SpeechModelV3, TranscriptionModelV3, RerankingModelV3] = [
    models.imageModel('image'),
    models.speechModel('sound'),
    models.transcriptionModel('sound'),
    models.rerankingModel('ranker'),
  ];
  expect(each.map(({ modelId }) => modelId)).toEqual(['image', 'sound', 'sound', 'ranker']);
  const registry = createProviderRegistry({ groups: models });
  expect(registry.imageModel('groups:image').modelId).toBe('image');
  expect(registry.rerankingModel('groups:ranker').modelId).toBe('ranker');
});

describe('an image model', () => {
  it('sends what OpenAI has, and warns of the rest', async () => {
    const result = await generateImage({
      model: models.imageModel('image'),
      prompt: 'A dog',
      n: 2,
      size: '512x512',
      seed: 7,
      aspectRatio: '1:1',
      providerOptions: { fastLiteLLM: { quality: 'low' } },
    });
    expect(result.image.base64).toBe(PIXEL);
    expect(upstream.latest.body).toEqual({ model: 'image-model', prompt: 'A dog', n: 2, size: '512x512', quality: 'low' });
    expect(result.warnings.map((warning) => 'feature' in warning && warning.feature)).toEqual(['aspectRatio', 'seed']);
    expect(result.usage).toEqual({ inputTokens: 5, outputTokens: 7, totalTokens: 12 });
    // The SDK keeps only `images` of the metadata; the headers have the rest.
    expect(result.responses[0].headers).toMatchObject({ 'x-litellm-model-group': 'image', 'x-litellm-model-id': 'image-1' });
  });

  it('splits requests at the most images of one call', async () => {
    const before = upstream.requests.length;
    const two = createFastLiteLLM(llm, { maxImagesPerCall: 2 });
    await generateImage({ model: two.imageModel('image'), prompt: 'Dogs', n: 5 });
    expect(upstream.requests.slice(before).map(({ body }) => (body as { readonly n: number }).n)).toEqual([2, 2, 1]);
  });

  it('edits images with a mask', async () => {
    const images = [Buffer.from(PIXEL, 'base64'), Buffer.from(PIXEL, 'base64')];
    await generateImage({ model: models.imageModel('image'), prompt: { text: 'Add a hat', images, mask: images[0] } });
    expect(upstream.latest.url).toBe('/v1/images/edits');
    const form = await upstream.latest.form();
    expect([form.get('model'), form.get('prompt'), form.get('n')]).toEqual(['image-model', 'Add a hat', '1']);
    const files = [...form.getAll('image[]'), form.get('mask')] as File[];
    expect(files.map(({ name, type }) => [name, type])).toEqual(Array(3).fill(['image.png', 'image/png']));
    expect(Buffer.from(await files[0].arrayBuffer())).toEqual(images[0]);
  });

  it('refuses to download what it should edit', async () => {
    const before = upstream.requests.length;
    const asked = generateImage({ model: models.imageModel('image'), prompt: { text: 'Hat', images: ['https://127.0.0.1:9/dog.png'] } });
    await expect(asked).rejects.toThrow('prompt.images[0]: must be data');
    expect(upstream.requests).toHaveLength(before);
  });

  it('downloads images that arrive as URLs', async () => {
    const host = await scripted((request, response) => {
      expect(request.headers.authorization).toBeUndefined();
      if (request.url?.includes('gone') === true) response.writeHead(404).end();
      else response.end(Buffer.from(PIXEL, 'base64'));
    });
    answering({ created: 1, data: [{ url: `${host}/a.png?sig=secret`, revised_prompt: 'A small dog' }] });
    const { image, providerMetadata } = await generateImage({ model: models.imageModel('image'), prompt: 'A dog' });
    expect(image.base64).toBe(PIXEL);
    expect(providerMetadata.fastLiteLLM.images).toEqual([{ revisedPrompt: 'A small dog' }]);
    for (const [url, message] of [
      [`${host}/gone.png?sig=secret`, 'answered with status 404'],
      ['file:///etc/passwd', 'file:'],
      [undefined, 'without data or a URL'],
    ]) {
      answering({ created: 1, data: [{ url }] });
      const error: unknown = await generateImage({ model: models.imageModel('image'), prompt: 'A dog' }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'IMAGE_DOWNLOAD_FAILED', message: expect.stringContaining(message as string) as string });
      expect((error as Error).message).not.toMatch(/secret|passwd/);
    }
  });

  it('fails with the error of the SDK, which does not try again', async () => {
    answering({ error: { message: 'No dogs here.', type: 'invalid_request_error', code: 'content_policy_violation' } }, 400);
    const before = upstream.requests.length;
    const error: unknown = await generateImage({ model: models.imageModel('image'), prompt: 'A dog' }).catch((thrown: unknown) => thrown);
    expect(APICallError.isInstance(error)).toBe(true);
    expect(error).toMatchObject({ statusCode: 400, isRetryable: false });
    expect(upstream.requests).toHaveLength(before + 1);
  });

  it('does not read streams', async () => {
    upstream.use({
      respond: (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {"type":"image_generation.completed"}\n\n');
      },
    });
    const asked = generateImage({ model: models.imageModel('image'), prompt: 'A dog', providerOptions: { fastLiteLLM: { stream: true } } });
    await expect(asked).rejects.toThrow('providerOptions.fastLiteLLM.stream: must not be set');
  });
});

describe('audio', () => {
  it('is spoken, with the voice that every OpenAI model has', async () => {
    const { audio, warnings, providerMetadata } = await experimental_generateSpeech({
      model: models.speechModel('sound'),
      text: 'Hello',
      outputFormat: 'mp3',
      instructions: 'Slowly.',
      speed: 0.5,
      language: 'en',
    });
    expect(Buffer.from(audio.uint8Array)).toEqual(SOUND);
    const rest = { response_format: 'mp3', instructions: 'Slowly.', speed: 0.5 };
    expect(upstream.latest.body).toEqual({ model: 'sound-model', input: 'Hello', voice: 'alloy', ...rest });
    expect(warnings).toEqual([{ type: 'unsupported', feature: 'language' }]);
    expect(deploymentIn(providerMetadata)).toBe('sound-1');
  });

  it('is transcribed', async () => {
    const options = { language: 'en', timestamp_granularities: ['word', 'segment'] };
    const { text, segments, language } = await experimental_transcribe({
      model: models.transcriptionModel('sound'),
      audio: SOUND,
      providerOptions: { fastLiteLLM: options },
    });
    expect([text, segments, language]).toEqual(['Hello', [], undefined]);
    const form = await upstream.latest.form();
    const file = form.get('file') as File;
    expect([file.name, file.type, Buffer.from(await file.arrayBuffer())]).toEqual(['audio.mp3', 'audio/mpeg', SOUND]);
    expect([form.get('model'), form.get('language'), form.getAll('timestamp_granularities[]')]).toEqual([
      'sound-model',
      'en',
      ['word', 'segment'],
    ]);
    answering({ text: 'Hi there', language: 'english', duration: 1.5, segments: [{ id: 0, text: 'Hi there', start: 0, end: 1.5 }] });
    expect(await experimental_transcribe({ model: models.transcriptionModel('sound'), audio: SOUND })).toMatchObject({
      text: 'Hi there',
      language: 'english',
      durationInSeconds: 1.5,
      segments: [{ text: 'Hi there', startSecond: 0, endSecond: 1.5 }],
    });
  });

  it('is transcribed as a text of another format', async () => {
    const providerOptions = { fastLiteLLM: { response_format: 'vtt' } };
    const { text } = await experimental_transcribe({ model: models.transcriptionModel('sound'), audio: SOUND, providerOptions });
    expect(text).toBe('WEBVTT\n\nHello');
  });
});

describe('a reranking model', () => {
  it('ranks texts, and objects as texts', async () => {
    const { ranking, providerMetadata } = await rerank({
      model: models.rerankingModel('ranker'),
      query: 'dog',
      documents: ['cat', 'dog'],
      topN: 1,
    });
    expect(ranking).toEqual([{ originalIndex: 1, score: 0.9, document: 'dog' }]);
    expect(upstream.latest.body).toEqual({ model: 'ranker-model', query: 'dog', documents: ['cat', 'dog'], top_n: 1 });
    expect(deploymentIn(providerMetadata)).toBe('ranker-1');
    await rerank({ model: models.rerankingModel('ranker'), query: 'dog', documents: [{ name: 'cat' }, { name: 'dog' }] });
    expect(upstream.latest.body).toMatchObject({ documents: ['{"name":"cat"}', '{"name":"dog"}'] });
  });
});

it('is denied what a limit denies', async () => {
  const limited = createFastLiteLLM(llm, { rateLimit: { key: 'tenant:7', limit: 'pair' } });
  await generateImage({ model: limited.imageModel('image'), prompt: 'A dog' });
  await rerank({ model: limited.rerankingModel('ranker'), query: 'dog', documents: ['cat', 'dog'] });
  const error: unknown = await experimental_transcribe({ model: limited.transcriptionModel('sound'), audio: SOUND, maxRetries: 0 }).catch(
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ statusCode: 429, code: 'RATE_LIMIT_EXCEEDED' });
});

it('ends with the reason of an abort', async () => {
  const reason = new Error('Enough.');
  const asked = generateImage({ model: models.imageModel('image'), prompt: 'A dog', abortSignal: AbortSignal.abort(reason) });
  await expect(asked).rejects.toBe(reason);
});
