const PAUSES = [200, 1000, 3000];

/**
 * Ask again for what a broken connection has kept away.
 *
 * Browsers break off all that is under way when an interface of the machine comes or goes, as one does with each trial
 * that runs in a container.
 *
 * @param ask does it; what it throws after the last try is thrown.
 * @param pauses before the second and each further try, in milliseconds.
 */
export async function patiently<T>(ask: () => Promise<T>, pauses: readonly number[] = PAUSES): Promise<T> {
  for (const pause of pauses) {
    try {
      return await ask();
    } catch {
      await new Promise(resolve => setTimeout(resolve, pause));
    }
  }
  return ask();
}
