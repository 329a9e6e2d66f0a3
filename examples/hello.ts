// Counts the primes up to N. N comes from standard input; without it N is 100000.
import { readFileSync } from "node:fs";

interface Tally {
  count: number;
  largest: number;
}

function sieve(limit: number): Tally {
  const isPrime: Uint8Array = new Uint8Array(limit + 1).fill(1, 2);
  for (let n = 2; n * n <= limit; n++) {
    if (isPrime[n]) {
      for (let multiple = n * n; multiple <= limit; multiple += n) isPrime[multiple] = 0;
    }
  }
  const count = isPrime.reduce((sum: number, flag: number) => sum + flag, 0);
  return { count, largest: isPrime.lastIndexOf(1) };
}

const text: string = readFileSync(0, "utf8").trim();
const limit: number = text === "" ? 100000 : Number.parseInt(text, 10);
const { count, largest } = sieve(limit);
console.log(`${limit}: ${count} primes, the largest is ${largest}`);
