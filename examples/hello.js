// Counts the primes up to N. N comes from standard input; without it N is 100000.
const { readFileSync } = require("node:fs");

const text = readFileSync(0, "utf8").trim();
const limit = text === "" ? 100000 : Number.parseInt(text, 10);

const isPrime = new Uint8Array(limit + 1).fill(1, 2);
for (let n = 2; n * n <= limit; n++) {
  if (isPrime[n]) {
    for (let multiple = n * n; multiple <= limit; multiple += n) isPrime[multiple] = 0;
  }
}

const count = isPrime.reduce((sum, flag) => sum + flag, 0);
console.log(`${limit}: ${count} primes, the largest is ${isPrime.lastIndexOf(1)}`);
