//go:build !race

package store

const killsOf = 20
