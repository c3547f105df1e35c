import { shownAddress } from './shown-address.js';

describe('shownAddress', () => {
  it.each([
    ['nonsense', 'nonsense'],
    ['localhost:6379', 'localhost:6379'],
    ['redis://localhost:6379/1', 'redis://localhost:6379/1'],
    ['redis://user:hidden@host:6379/1', 'redis://***@host:6379/1'],
    ['redis://:hid@den@host', 'redis://***@host'],
    ['redis://:hidden', 'redis://:***'],
    ['redis://host:hidden/1', 'redis://host:***'],
    ['https://host/prices.json?token=hidden', 'https://host/prices.json?***'],
    ['redis://user:hid?den@host', 'redis://user:***?***'],
  ])('shows %s as %s', (url, shown) => expect(shownAddress(url)).toBe(shown));
});
