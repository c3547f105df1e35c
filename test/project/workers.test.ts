describe('the suites', () => {
  it('run in a worker unless --runInBand is given, so that fake timers do not catch those of Jest’s reporter', () => {
    const isInBand = process.argv.some((argument) => ['-i', '--runInBand'].includes(argument));
    expect(isInBand || process.send !== undefined).toBe(true);
  });
});
