//go:build race

package main

// raceEnabled: the race detector multiplies memory, so bounds on it do not hold.
const raceEnabled = true

// scaled is how many lines a test uses: the race detector makes everything ten times slower, and CI runs
// the same tests without it at their full size.
func scaled(lines int) int { return lines / 5 }
