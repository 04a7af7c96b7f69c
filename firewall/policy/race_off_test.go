//go:build !race

package policy

// dialectStep takes every dialect.
const dialectStep = 1
