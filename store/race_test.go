//go:build race

package store

// killsOf is how often a test kills a process of the test program: ten times slower under the race detector.
const killsOf = 8
