/** Why the app could not start. The message is complete: no stack is needed. */
export class StartError extends Error {}
