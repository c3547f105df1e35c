import type { CallHandler, ExecutionContext, NestInterceptor } from '@nestjs/common';
import { ExecutionContextHost } from '@nestjs/core/helpers/execution-context-host.js';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { of, type Observable } from 'rxjs';
import type { PerformanceMonitorService } from '../../../lib/monitor/performance-monitor.service.js';
import { measure, median, type Task } from '../harness/measure.js';
import { responseTo } from '../harness/response.js';
import { compiled } from './ours.js';

class Empty implements NestInterceptor {
  intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle();
  }
}

class Routes {
  handle(): void {}
}

/** Nanoseconds that the interceptor adds to a request: its call, and its listener for the end. */
export async function interceptorNs(monitor: PerformanceMonitorService, quick: boolean): Promise<number> {
  const { PerformanceInterceptor } = compiled();
  const request = Object.assign(new IncomingMessage(new Socket()), { method: 'POST', route: { path: '/v1/chat/completions' } });
  const next: CallHandler = { handle: () => of(1) };
  const task = (name: string, interceptor: NestInterceptor): Task => ({
    name,
    run(times) {
      for (let i = 0; i < times; i++) {
        const response = responseTo(request);
        const context = new ExecutionContextHost([request, response, undefined], Routes, Routes.prototype.handle);
        void interceptor.intercept(context, next);
        response.emit('close');
      }
    },
  });
  const tasks = [task('empty', new Empty()), task('ours', new PerformanceInterceptor(monitor))];
  const samples = await measure(tasks, { rounds: quick ? 3 : 25, minMs: quick ? 2 : 40, keep: () => true, cpuTime: true });
  const [empty, own] = [samples.get('empty') ?? [], samples.get('ours') ?? []];
  return median(own.map((ns, round) => ns - empty[round]));
}
