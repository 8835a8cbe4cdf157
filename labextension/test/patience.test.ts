import { describe, expect, it } from 'vitest';
import { patiently } from '../src/patience';

function failing(times: number): () => Promise<string> {
  let asked = 0;
  return () => (++asked > times ? Promise.resolve(`asked ${asked} times`) : Promise.reject(new Error(`failure ${asked}`)));
}

describe('what a broken connection keeps away', () => {
  it('is asked for again', async () => {
    expect(await patiently(failing(0), [])).toBe('asked 1 times');
    expect(await patiently(failing(2), [0, 0])).toBe('asked 3 times');
  });

  it('is given up with the last failure', async () => {
    await expect(patiently(failing(9), [0, 0])).rejects.toThrow('failure 3');
  });
});
