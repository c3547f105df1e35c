import { SlotState } from '../threads/layout.js';
import type { EndpointSlots, Slotted } from '../pool/connection-table.js';

/** An endpoint of bare connections. */
export class BareEndpoint implements EndpointSlots<BareConnection> {
  idle: BareConnection | undefined = undefined;
  connections = 0;
  place = -1;

  constructor(readonly origin: string) {}
}

/** A connection without a socket, for those who ask about the books alone. */
export class BareConnection implements Slotted<BareConnection> {
  state: number = SlotState.leased;
  older: BareConnection | undefined = undefined;
  newer: BareConnection | undefined = undefined;

  constructor(
    readonly endpoint: BareEndpoint,
    public id: number,
    readonly diesAtMs: number,
  ) {}
}
