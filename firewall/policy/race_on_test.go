//go:build race

package policy

// dialectStep thins out the dialects, and callStep the calls at which a run is interrupted: the race detector makes everything ten times
// slower, and CI runs the same tests without it in all of them. No multiple of 2 or 3, by which what else is tried goes round.
const dialectStep, callStep = 5, 5
