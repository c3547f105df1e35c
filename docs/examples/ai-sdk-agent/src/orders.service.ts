import { Injectable } from '@nestjs/common';

export interface Order {
  readonly id: string;
  readonly item: string;
  readonly priceUsd: number;
  refundedUsd: number;
}

/** The shop that the agent works for: your own services. */
@Injectable()
export class OrdersService {
  private readonly orders = new Map<string, Order>([
    ['17', { id: '17', item: 'kettle', priceUsd: 40, refundedUsd: 0 }],
    ['18', { id: '18', item: 'toaster', priceUsd: 25, refundedUsd: 0 }],
  ]);

  find(id: string): Order | undefined {
    return this.orders.get(id);
  }

  /** Refunds at most what was paid. */
  refund(id: string, usd: number): Order {
    const order = this.orders.get(id);
    if (order === undefined) throw new Error(`no order ${id}`);
    if (order.refundedUsd + usd > order.priceUsd) throw new Error(`order ${id}: at most ${order.priceUsd - order.refundedUsd} USD`);
    order.refundedUsd += usd;
    return order;
  }
}
