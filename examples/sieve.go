// Counts the primes up to N. N comes from standard input; without it N is 100000.
package main

import "fmt"

func main() {
	limit := 100000
	if _, err := fmt.Scan(&limit); err != nil {
		limit = 100000
	}

	composite := make([]bool, limit+1)
	count, largest := 0, -1
	for n := 2; n <= limit; n++ {
		if composite[n] {
			continue
		}
		count, largest = count+1, n
		for multiple := n * n; multiple <= limit; multiple += n {
			composite[multiple] = true
		}
	}

	fmt.Printf("%d: %d primes, the largest is %d\n", limit, count, largest)
}
