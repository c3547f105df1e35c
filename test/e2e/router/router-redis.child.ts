// A process with requests in flight at shared deployments, until it is killed.
import { redisRouterState } from '../../../lib/router/redis/redis-shared-state.js';
import { deployment, routerEngines, routerOn } from '../../support/router-engines.js';

const [url, requests] = [process.argv[2], Number(process.argv[3])];
const [engine] = routerEngines();
const { router } = routerOn(
  engine,
  {
    strategy: 'least_busy',
    modelList: ['a', 'b'].map((id) => deployment(id)),
    sharedState: redisRouterState({ url, intervalMs: 20, silenceMs: 1_000 }),
  },
  { now: Date.now },
);
for (let number = 0; number < requests; number++) router.acquire('a', { inputTokens: 10 });
process.stdout.write('ready');
process.stdin.resume();
