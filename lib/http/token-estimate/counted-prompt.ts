/** The tokens of a small prompt, which hold as long as nothing changes its body. */
export class CountedPrompt {
  private readonly json: string | undefined;

  constructor(
    private readonly body: object,
    readonly tokens: number,
  ) {
    this.json = jsonOf(body);
  }

  /** Whether these are the tokens of a body: apps may change one in place after it was counted. */
  isOf(body: object): boolean {
    return body === this.body && this.json !== undefined && jsonOf(body) === this.json;
  }
}

function jsonOf(body: object): string | undefined {
  try {
    return JSON.stringify(body);
  } catch {
    // A cycle or a `bigint`: such a body is counted each time.
    return undefined;
  }
}
