//go:build !race

package policy

// dialectStep takes every dialect, and callStep every call at which a run is interrupted.
const dialectStep, callStep = 1, 1
