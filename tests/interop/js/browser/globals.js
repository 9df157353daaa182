// What the modules of the client expect of node's global scope.
export { Buffer } from 'buffer'
export const process = { browser: true, env: {}, version: '', nextTick: (f, ...args) => queueMicrotask(() => f(...args)) }
export const global = globalThis
