import type { TokenCounterService } from '../../token-counter/token-counter.service.js';
import { priceByBody } from './requested-tier.js';

const usage = { promptTokens: 1, completionTokens: 1, totalTokens: 2 };
/** Costs 1 USD a request, 2 by the priority tier. */
const counter = {
  estimateCost: (_: number, __: number, model: string | undefined, details?: { readonly serviceTier?: string }) =>
    model === undefined ? null : details?.serviceTier === 'priority' ? 2 : 1,
} as unknown as TokenCounterService;

describe('the price by the body of a request', () => {
  it('is that of the tier that the body asks for', () => {
    expect(priceByBody(counter, { model: 'a' })(usage)).toBe(1e9);
    expect(priceByBody(counter, { model: 'a', service_tier: 'priority' })(usage)).toBe(2e9);
    for (const tier of [null, 7, 'other', {}]) expect(priceByBody(counter, { model: 'a', service_tier: tier })(usage)).toBe(1e9);
  });

  it('is unknown for raw bytes, of which no place is looked at', () => {
    const ownKeys = jest.fn(Reflect.ownKeys);
    const bytes = new Proxy(Buffer.alloc(8), { ownKeys });
    for (const body of [bytes, 'a text', undefined, null]) expect(priceByBody(counter, body)(usage)).toBeUndefined();
    expect(ownKeys).not.toHaveBeenCalled();
  });
});
