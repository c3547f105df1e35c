import { Module } from '@nestjs/common';
import { Upstreams } from './upstreams.js';

/** Starts the upstreams before anything that needs them. */
@Module({
  providers: [{ provide: Upstreams, useFactory: () => Upstreams.open(process.env) }],
  exports: [Upstreams],
})
export class UpstreamsModule {}
