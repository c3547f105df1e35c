'use strict';
/**
 * Runs suites in the realm of the Jest worker, not in a vm context of their own: there each global
 * is slow, nothing stays compiled for the next suite, and errors of Node are no `Error`. After a
 * suite, spies, globals, `process.env` and listeners of `process` are put back.
 */

const { AsyncLocalStorage } = require('node:async_hooks');
const { writeFileSync } = require('node:fs');
const { Server } = require('node:http');
const { join } = require('node:path');
const vm = require('node:vm');
const { ModernFakeTimers } = require('@jest/fake-timers');
const { ModuleMocker } = require('jest-mock');

const { compileFunction } = vm;
/** Jest wants a context to compile in. This one stands for the main one. */
const MAIN = {};
/** What a worker has compiled, by file: the next suite runs it as it is. */
const compiled = new Map();

vm.compileFunction = (code, parameters, options) => {
  if (options?.parsingContext !== MAIN) return compileFunction(code, parameters, options);
  const known = compiled.get(options.filename);
  if (known?.code === code) return known.run;
  const run = compileFunction(code, parameters, { ...options, parsingContext: undefined });
  compiled.set(options.filename, { code, run });
  return run;
};

/** Those that a suite has used. As long as one is enabled, each promise of the worker costs more. */
const storages = new Set();
for (const name of ['run', 'enterWith']) {
  const method = AsyncLocalStorage.prototype[name];
  AsyncLocalStorage.prototype[name] = function (...args) {
    storages.add(this);
    return method.apply(this, args);
  };
}

/** Where a server closes idle connections, a client on a busy machine may be about to use one again. */
const { listen } = Server.prototype;
Server.prototype.listen = function (...args) {
  if (this.keepAliveTimeout === 5_000) this.keepAliveTimeout = 0;
  return listen.apply(this, args);
};

// Loads undici of Node, which sets its global dispatcher once and for good.
void globalThis.Headers;

/** Remembers all own properties of an object; returns a function that puts them back. */
function remember(object) {
  const before = Object.getOwnPropertyDescriptors(object);
  return () => {
    for (const key of Reflect.ownKeys(object)) {
      const now = Object.getOwnPropertyDescriptor(object, key);
      if (!Object.hasOwn(before, key)) {
        if (now.configurable) delete object[key];
        else if (now.writable) object[key] = undefined;
      } else if (now.value !== before[key].value || now.get !== before[key].get) Object.defineProperty(object, key, before[key]);
    }
    for (const key of Reflect.ownKeys(before)) if (!Object.hasOwn(object, key)) Object.defineProperty(object, key, before[key]);
  };
}

module.exports = class MainRealmEnvironment {
  constructor({ projectConfig }, { testPath }) {
    const { READY_WORKERS } = process.env;
    // scripts/ready/suite-reporter.js kills the worker of a suite that hangs.
    if (READY_WORKERS) writeFileSync(join(READY_WORKERS, String(process.pid)), testPath);
    this.global = globalThis;
    this.putBack = [remember(globalThis), remember(process), remember(process.env)];
    this.listeners = new Map(process.eventNames().map((name) => [name, process.rawListeners(name)]));
    this.moduleMocker = new ModuleMocker(globalThis);
    this.fakeTimers = null;
    this.fakeTimersModern = new ModernFakeTimers({ config: projectConfig, global: globalThis });
  }

  exportConditions() {
    return ['node', 'node-addons'];
  }

  getVmContext() {
    return MAIN;
  }

  async setup() {}

  async teardown() {
    this.moduleMocker.restoreAllMocks();
    this.fakeTimersModern.dispose();
    for (const name of process.eventNames()) {
      const before = this.listeners.get(name) ?? [];
      for (const listener of process.rawListeners(name)) if (!before.includes(listener)) process.removeListener(name, listener);
    }
    for (const storage of storages) storage.disable();
    storages.clear();
    for (const putBack of this.putBack) putBack();
  }
};
