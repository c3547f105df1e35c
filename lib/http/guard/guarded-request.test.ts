import type { ExecutionContext } from '@nestjs/common';
import { GuardedRequest } from './guarded-request.js';

describe('GuardedRequest', () => {
  it('measures the body of each message, also of those that share a request object', () => {
    const context = { getType: () => 'ws' } as unknown as ExecutionContext;
    const request = { body: { messages: [] } };
    new GuardedRequest(context, { request }).state.isLarge = false;
    expect(new GuardedRequest(context, { request }).state.isLarge).toBeUndefined();
  });
});
