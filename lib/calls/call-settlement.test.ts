import { CallSettlement } from './call-settlement.js';

it('ends no call a second time', () => {
  const settlement = Object.create(CallSettlement.prototype) as CallSettlement;
  const call = { isOver: true, end: jest.fn(), cancellation: { error: undefined }, asked: {}, request: undefined };
  settlement.answeredByHook(call as never);
  settlement.callFailed(call as never, new Error('late'));
  expect(call.end).not.toHaveBeenCalled();
});
