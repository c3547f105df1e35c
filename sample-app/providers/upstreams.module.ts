import { Module } from '@nestjs/common';
import { Upstreams } from './upstreams.js';

/** Starts what the gateway sends to, before anything that needs it. */
@Module({
  providers: [{ provide: Upstreams, useFactory: () => Upstreams.open(process.env) }],
  exports: [Upstreams],
})
export class UpstreamsModule {}
