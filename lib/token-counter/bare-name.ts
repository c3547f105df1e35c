/**
 * A model's name in lower case without its provider: the last part of a path, without Bedrock's
 * region and provider, a fine-tune's owner, or a version behind a colon.
 */
export function bareName(model: string): string {
  const fineTune = /(?:^|\/)ft:/.exec(model);
  const unprefixed = fineTune === null ? model.slice(model.lastIndexOf('/') + 1) : model.slice(fineTune.index + fineTune[0].length);
  return unprefixed.split(':', 1)[0].replace(/^(?:[a-z-]+\.)+(?=gpt-|claude)/, '');
}
