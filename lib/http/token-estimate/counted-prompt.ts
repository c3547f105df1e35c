/** The tokens of a small prompt, valid until its body changes. */
export class CountedPrompt {
  private readonly json: string | undefined;

  constructor(
    private readonly body: object,
    readonly tokens: number,
  ) {
    this.json = jsonOf(body);
  }

  /** Whether they are valid for a body, which apps may change in place after the count. */
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
