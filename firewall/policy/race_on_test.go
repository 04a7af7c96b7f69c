//go:build race

package policy

// dialectStep thins out the dialects: the race detector makes everything ten times slower, and CI runs the same tests
// without it in all of them.
const dialectStep = 5
