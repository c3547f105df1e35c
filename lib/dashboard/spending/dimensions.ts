/** Dimensions that the page offers. */
export const SPENDING_BY = ['team', 'key', 'user', 'model', 'modelGroup', 'tag', 'endUser', 'provider'] as const;
export type SpendingBy = (typeof SPENDING_BY)[number];

/** Labels of the dimensions. */
export const BY_WORDS: Readonly<Record<SpendingBy, string>> = {
  team: 'team',
  key: 'API key',
  user: 'user',
  model: 'model',
  modelGroup: 'model group',
  tag: 'tag',
  endUser: 'end user',
  provider: 'provider',
};
