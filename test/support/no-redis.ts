const nothing = (): void => {};

/** Stands for a client of ioredis whose Redis is away. */
export const noRedis = {
  status: 'end',
  call: nothing,
  createBuiltinCommand: () => ({}),
  ping: nothing,
  on: nothing,
  off: nothing,
} as never;
