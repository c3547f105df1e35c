import { CostQueues } from './cost-queues.js';
import { InFlightQueues } from './in-flight-queues.js';
import { LatencyRanking } from './latency-ranking.js';
import type { MemberOrder, OrderContext } from './member-order.js';
import { Order } from './strategies.js';
import { UsageRanking } from './usage-ranking.js';

/** The members in an order: of a class of its own, so that what is done for each request has no other order in it. */
export function orderedBy(context: OrderContext): MemberOrder {
  switch (context.order) {
    case Order.inFlight:
      return new InFlightQueues(context);
    case Order.tokens:
      return new UsageRanking(context);
    case Order.cost:
      return new CostQueues(context);
    default:
      return new LatencyRanking(context);
  }
}
