import { randomUUID } from 'node:crypto';
import { objectIn } from '../../common/objects.js';
import type { AnswerForm } from '../../calls/stream/answer-forms.js';
import type { GatewayContext } from '../gateway.context.js';
import { modelRequestOf } from './request-model.js';
import type { GatewayExchange, GatewayRoute } from './route.js';

/** Fields of Cohere's answers that its SDK requires. */
const META = { api_version: { version: '2' } };

/** Adds an id and `meta` where a provider with another rerank API has none. */
const COHERES: AnswerForm = {
  whole(bytes) {
    const answer = objectIn(bytes.toString('utf8'));
    if (answer === undefined || (answer.id !== undefined && answer.meta !== undefined)) return bytes;
    return Buffer.from(JSON.stringify({ id: randomUUID(), ...answer, meta: answer.meta ?? META }));
  },
};

/** Cohere's `/v2/rerank`, and `/v1/rerank` for a gateway whose own path is another. */
export function rerankAsCohere(routes: readonly GatewayRoute[]): readonly GatewayRoute[] {
  return routes
    .filter(({ name }) => name === 'rerank')
    .map((route) => ({
      ...route,
      name: 'cohereRerank',
      path: 'v2/rerank',
      atRoot: 'only',
      isOfSdk: true,
      allowedAs: () => [route.path, 'v2/rerank'],
      async handle({ client, options }: GatewayContext, { request, reply, callOptions }: GatewayExchange): Promise<void> {
        const body = modelRequestOf(request);
        const { model = options.models.rerank } = body;
        const answer = await client.rerank({ ...body, model }, callOptions);
        return answer.sendTo(reply, { costHeaders: options.costHeaders }, COHERES);
      },
    }));
}
