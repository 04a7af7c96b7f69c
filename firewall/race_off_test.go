//go:build !race

package firewall

// dialectStep takes every dialect.
const dialectStep = 1
